//! The hook of a netfilter link.

use crate::error::Target;
use crate::flags::NetfilterFlags;

/// The hook that a netfilter link is on, and its place there (`link_create.netfilter`, since Linux
/// 6.4).
#[derive(Clone, Copy, Debug)]
pub struct NetfilterArgs {
    pub(crate) family: u32,
    pub(crate) hook: u32,
    pub(crate) priority: i32,
    pub(crate) flags: NetfilterFlags,
}

impl NetfilterArgs {
    /// A family (`NFPROTO_IPV4` 2, `NFPROTO_IPV6` 10), a hook (`NF_INET_PRE_ROUTING` 0 to
    /// `NF_INET_POST_ROUTING` 4), and a priority: programs run from the lowest to the highest, and
    /// no two on one hook have the same.
    #[must_use]
    pub fn new(family: u32, hook: u32, priority: i32) -> Self {
        Self {
            family,
            hook,
            priority,
            flags: NetfilterFlags::empty(),
        }
    }

    /// The flags.
    #[must_use]
    pub fn flags(mut self, flags: NetfilterFlags) -> Self {
        self.flags = flags;
        self
    }
}

impl NetfilterArgs {
    /// What errors call it.
    pub(crate) fn target(&self) -> Target {
        Target::Netfilter {
            family: self.family,
            hook: self.hook,
            priority: self.priority,
        }
    }
}
