//! Links on one end of a netkit device.

mod attach;
mod ensure;
mod hook;
mod query;
#[cfg(test)]
mod tests;

use bpf_link::AttachType;
use zerocopy::native_endian::U32;

use crate::info::answer::{Answer, mirror};
use crate::info::buf::Ask;
use crate::info::facts::facts;
use crate::info::types::info;
use crate::link::link_type::link_type;

pub use attach::NetkitAttach;
pub use hook::NetkitHook;

link_type! {
    /// A link on one end of a netkit device.
    ///
    /// Since Linux 6.7. Updated by a program, and detached. Once the device has gone, or the link
    /// was detached, it has no index of a device.
    #[doc(alias = "BPF_LINK_TYPE_NETKIT")]
    pub struct NetkitLink: Netkit, NetkitInfo;
    facts: facts! {
        Netkit: "a netkit device", since "6.7", detach since "6.7", gone without ifindex;
        ifindex "6.7",
        attach_type "6.7",
    };
    ask: Ask::Fields;
    has: update, detach;
}

info! {
    /// What the kernel says about a [`NetkitLink`].
    ///
    /// Its place among the other programs of the hook is not part of it.
    pub struct NetkitInfo {
        /// The end that the program runs for, by its index in the network namespace that it is in:
        /// the peer's for a program on the peer, though it was attached by way of the primary end.
        /// `None` once the device has gone, or the link was detached.
        ifindex: Option<u32>,
        /// The primary end or the peer.
        attach_type: NetkitHook,
    }
}

mirror! {
    struct Fields: bpf_link_info__netkit {
        ifindex: U32 = netkit.ifindex,
        attach_type: U32 = netkit.attach_type,
    }
}

impl NetkitInfo {
    #[inline]
    pub(crate) fn parse(answer: &Answer<'_>) -> Self {
        let fields: &Fields = answer.arm();
        Self {
            id: answer.id(),
            program_id: answer.program_id(),
            ifindex: Some(fields.ifindex.get()).filter(|index| *index != 0),
            attach_type: NetkitHook::from_attach_type(AttachType::from_raw(
                fields.attach_type.get(),
            )),
        }
    }

    /// Whether the device has gone, or the link was detached.
    #[must_use]
    pub fn is_defunct(&self) -> Option<bool> {
        Some(self.ifindex.is_none())
    }
}
