//! How tracing programs are attached to functions.

use crate::attach::hook_enum::hook_enum;

hook_enum! {
    /// How a tracing program is attached to the function that it was loaded for.
    pub enum TracingHook: Tracing {
        /// Runs when the function is entered.
        Fentry = TraceFentry,
        /// Runs when the function returns.
        Fexit = TraceFexit,
        /// Runs before the function, and can return in its place.
        ModifyReturn = ModifyReturn,
        /// Runs on a hook of the security modules. Has an effect only if the security module `bpf`
        /// is in effect.
        LsmMac = LsmMac,
        /// Runs both times. Since Linux 7.0.
        Fsession = TraceFsession,
    }
}
