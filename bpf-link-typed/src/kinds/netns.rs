//! Links on the flow dissector or the socket lookup of a network namespace.

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

pub use attach::NetnsAttach;
pub use hook::NetnsHook;

link_type! {
    /// A link on the flow dissector (since Linux 5.8) or the socket lookup (since Linux 5.9) of a
    /// network namespace.
    ///
    /// Updated by a program, and detached since Linux 5.9. It does not keep the namespace. Once
    /// that has gone, or the link was detached, it has no inode.
    #[doc(alias = "BPF_LINK_TYPE_NETNS")]
    pub struct NetnsLink: Netns, NetnsInfo;
    facts: facts! {
        Netns: "a network namespace", since "5.8", detach since "5.9", gone without netns_ino;
        netns_ino "5.8",
        attach_type "5.8",
    };
    ask: Ask::Fields;
    has: update, detach;
}

info! {
    /// What the kernel says about a [`NetnsLink`].
    pub struct NetnsInfo {
        /// The network namespace: the inode of files such as `/proc/self/ns/net`. `None` once it
        /// has gone, or the link was detached.
        netns_ino: Option<u32>,
        /// The hook.
        attach_type: NetnsHook,
    }
}

mirror! {
    struct Fields: bpf_link_info__netns {
        netns_ino: U32 = netns.netns_ino,
        attach_type: U32 = netns.attach_type,
    }
}

impl NetnsInfo {
    #[inline]
    pub(crate) fn parse(answer: &Answer<'_>) -> Self {
        let fields: &Fields = answer.arm();
        Self {
            id: answer.id(),
            program_id: answer.program_id(),
            netns_ino: Some(fields.netns_ino.get()).filter(|inode| *inode != 0),
            attach_type: NetnsHook::from_attach_type(AttachType::from_raw(
                fields.attach_type.get(),
            )),
        }
    }

    /// Whether the namespace has gone, or the link was detached.
    #[must_use]
    pub fn is_defunct(&self) -> Option<bool> {
        Some(self.netns_ino.is_none())
    }
}
