//! The hooks of a network namespace.

use crate::attach::hook_enum::hook_enum;

hook_enum! {
    /// A hook of a network namespace.
    pub enum NetnsHook: Netns {
        /// What is made of a packet's headers. One program for each namespace; and none for the
        /// first namespace while others have one, or the other way round.
        FlowDissector = FlowDissector,
        /// Which socket gets a packet. Since Linux 5.9.
        SkLookup = SkLookup,
    }
}
