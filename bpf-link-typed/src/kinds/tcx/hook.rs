//! The hooks of the traffic control of a network device.

use crate::attach::hook_enum::hook_enum;

hook_enum! {
    /// What goes through a network device, and in which direction.
    pub enum TcxHook: Tcx {
        /// What the device receives.
        Ingress = TcxIngress,
        /// What the device sends.
        Egress = TcxEgress,
    }
}
