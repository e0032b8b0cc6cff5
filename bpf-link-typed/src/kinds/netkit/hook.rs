//! The hooks of a netkit device.

use crate::attach::hook_enum::hook_enum;

hook_enum! {
    /// An end of a netkit device.
    pub enum NetkitHook: Netkit {
        /// What the primary end sends.
        Primary = NetkitPrimary,
        /// What the peer sends.
        Peer = NetkitPeer,
    }
}
