//! Links of a struct of kernel callbacks that is implemented in BPF.

mod attach;
mod ensure;
#[cfg(test)]
mod tests;

use std::os::fd::AsFd;

use bpf_link::{MapId, Update};
use zerocopy::native_endian::U32;

use crate::error::Result;
use crate::info::answer::{Answer, mirror};
use crate::info::buf::Ask;
use crate::info::facts::facts;
use crate::info::types::info;
use crate::link::link_type::link_type;

pub use attach::StructOpsAttach;

link_type! {
    /// A link of a struct of kernel callbacks that is implemented in BPF: a map with programs in
    /// it.
    ///
    /// Since Linux 6.4. Updated by a map, and detached since Linux 6.11. The kernel's subsystem may
    /// detach it on its own. Once detached, it has no map.
    #[doc(alias = "BPF_LINK_TYPE_STRUCT_OPS")]
    pub struct StructOpsLink: StructOps, StructOpsInfo;
    facts: facts! {
        StructOps: "callbacks of the kernel", since "6.4", detach since "6.11", gone without map_id;
        map_id "6.4",
    };
    ask: Ask::Fields;
    has: detach;
}

info! {
    /// What the kernel says about a [`StructOpsLink`]. It has no program of its own.
    pub struct StructOpsInfo {
        /// The map. `None` once the link was detached.
        map_id: Option<MapId>,
    }
}

mirror! {
    struct Fields: bpf_link_info__struct_ops {
        map_id: U32 = struct_ops.map_id,
    }
}

impl StructOpsInfo {
    #[inline]
    pub(crate) fn parse(answer: &Answer<'_>) -> Self {
        let fields: &Fields = answer.arm();
        Self {
            id: answer.id(),
            program_id: answer.program_id(),
            map_id: MapId::new(fields.map_id.get()),
        }
    }

    /// Whether the link was detached.
    #[must_use]
    pub fn is_defunct(&self) -> Option<bool> {
        Some(self.map_id.is_none())
    }
}

impl StructOpsLink {
    /// Replaces the link's map in one step: every call is answered by the one
    /// or the other.
    ///
    /// # Errors
    ///
    /// As [`RawLink::update`](bpf_link::RawLink::update);
    /// [`UnsupportedByKind`](bpf_link::Error::UnsupportedByKind) also if the subsystem does not
    /// have its callbacks replaced.
    pub fn update(&self, map: impl AsFd) -> Result<()> {
        Ok(self.0.update(Update::map(&map))?)
    }

    /// The same, if `old` is the map that the link has.
    ///
    /// # Errors
    ///
    /// As [`RawLink::update`](bpf_link::RawLink::update):
    /// [`OldProgramMismatch`](bpf_link::Error::OldProgramMismatch) if it has another.
    pub fn replace(&self, old: impl AsFd, new: impl AsFd) -> Result<()> {
        Ok(self.0.update(Update::map(&new).expecting(&old))?)
    }
}
