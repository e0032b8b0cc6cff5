//! Links on a hook of a cgroup.

mod attach;
mod ensure;
mod exclusive;
mod hook;
mod query;
#[cfg(test)]
mod tests;

use bpf_link::AttachType;
use zerocopy::native_endian::{U32, U64};

use crate::info::answer::{Answer, mirror};
use crate::info::buf::Ask;
use crate::info::facts::facts;
use crate::info::types::info;
use crate::link::link_type::link_type;

pub use attach::CgroupAttach;
pub use hook::CgroupHook;

link_type! {
    /// A link on a hook of a cgroup.
    ///
    /// Since Linux 5.7. Updated by a program, which may be for another hook: the kernel does not
    /// compare attach types. Detached since Linux 5.9. Once the cgroup has gone, or the link was
    /// detached, it has no cgroup id.
    #[doc(alias = "BPF_LINK_TYPE_CGROUP")]
    pub struct CgroupLink: Cgroup, CgroupInfo;
    facts: facts! {
        Cgroup: "a cgroup", since "5.7", detach since "5.9", gone without cgroup_id;
        cgroup_id "5.8",
        attach_type "5.8",
    };
    ask: Ask::Fields;
    has: update, detach;
}

info! {
    /// What the kernel says about a [`CgroupLink`].
    ///
    /// Its place among the other programs of the hook is not part of it.
    pub struct CgroupInfo {
        /// The cgroup: the inode of its directory. `None` once it has gone, or the link was
        /// detached.
        cgroup_id: Option<u64>,
        /// The hook.
        attach_type: CgroupHook,
    }
}

mirror! {
    struct Fields: bpf_link_info__cgroup {
        cgroup_id: U64 = cgroup.cgroup_id,
        attach_type: U32 = cgroup.attach_type,
        padding: U32,
    }
}

impl CgroupInfo {
    #[inline]
    pub(crate) fn parse(answer: &Answer<'_>) -> Self {
        let fields: &Fields = answer.arm();
        Self {
            id: answer.id(),
            program_id: answer.program_id(),
            cgroup_id: Some(fields.cgroup_id.get()).filter(|id| *id != 0),
            attach_type: CgroupHook::from_attach_type(AttachType::from_raw(
                fields.attach_type.get(),
            )),
        }
    }

    /// Whether the cgroup has gone, or the link was detached.
    #[must_use]
    pub fn is_defunct(&self) -> Option<bool> {
        Some(self.cgroup_id.is_none())
    }
}
