//! Links on the receive path of a network device.

mod attach;
mod ensure;
#[cfg(test)]
mod tests;

use zerocopy::native_endian::U32;

use crate::info::answer::{Answer, mirror};
use crate::info::buf::Ask;
use crate::info::facts::facts;
use crate::info::types::info;
use crate::link::link_type::link_type;

pub use attach::{XdpAttach, XdpMode};

link_type! {
    /// A link on the receive path of a network device, before the kernel has built its socket
    /// buffer.
    ///
    /// Since Linux 5.9. Updated by a program, and detached. Once the device has gone, or the link
    /// was detached, it has no index of a device.
    #[doc(alias = "BPF_LINK_TYPE_XDP")]
    pub struct XdpLink: Xdp, XdpInfo;
    facts: facts! {
        Xdp: "a network device", since "5.9", detach since "5.9", gone without ifindex;
        ifindex "5.9",
    };
    ask: Ask::Fields;
    has: update, detach;
}

info! {
    /// What the kernel says about an [`XdpLink`].
    ///
    /// The mode that the program runs in is not part of it.
    pub struct XdpInfo {
        /// The device, by its index in the network namespace that it is in. `None` once it has
        /// gone, or the link was detached.
        ifindex: Option<u32>,
    }
}

mirror! {
    struct Fields: bpf_link_info__xdp {
        ifindex: U32 = xdp.ifindex,
    }
}

impl XdpInfo {
    #[inline]
    pub(crate) fn parse(answer: &Answer<'_>) -> Self {
        let fields: &Fields = answer.arm();
        Self {
            id: answer.id(),
            program_id: answer.program_id(),
            ifindex: Some(fields.ifindex.get()).filter(|index| *index != 0),
        }
    }

    /// Whether the device has gone, or the link was detached.
    #[must_use]
    pub fn is_defunct(&self) -> Option<bool> {
        Some(self.ifindex.is_none())
    }
}
