//! Links on the traffic control of a network device.

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

pub use attach::TcxAttach;
pub use hook::TcxHook;

link_type! {
    /// A link on what a network device receives or sends, in traffic control without a qdisc.
    ///
    /// Since Linux 6.6. Updated by a program, and detached. Once the device has gone, or the link
    /// was detached, it has no index of a device.
    #[doc(alias = "BPF_LINK_TYPE_TCX")]
    pub struct TcxLink: Tcx, TcxInfo;
    facts: facts! {
        Tcx: "a network device", since "6.6", detach since "6.6", gone without ifindex;
        ifindex "6.6",
        attach_type "6.6",
    };
    ask: Ask::Fields;
    has: update, detach;
}

info! {
    /// What the kernel says about a [`TcxLink`].
    ///
    /// Its place among the other programs of the hook is not part of it.
    pub struct TcxInfo {
        /// The device, by its index in the network namespace that it is in. `None` once it has
        /// gone, or the link was detached.
        ifindex: Option<u32>,
        /// Ingress or egress.
        attach_type: TcxHook,
    }
}

mirror! {
    struct Fields: bpf_link_info__tcx {
        ifindex: U32 = tcx.ifindex,
        attach_type: U32 = tcx.attach_type,
    }
}

impl TcxInfo {
    #[inline]
    pub(crate) fn parse(answer: &Answer<'_>) -> Self {
        let fields: &Fields = answer.arm();
        Self {
            id: answer.id(),
            program_id: answer.program_id(),
            ifindex: Some(fields.ifindex.get()).filter(|index| *index != 0),
            attach_type: TcxHook::from_attach_type(AttachType::from_raw(fields.attach_type.get())),
        }
    }

    /// Whether the device has gone, or the link was detached.
    #[must_use]
    pub fn is_defunct(&self) -> Option<bool> {
        Some(self.ifindex.is_none())
    }
}
