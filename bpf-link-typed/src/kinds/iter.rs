//! Links of an iterator over kernel objects.

mod attach;
mod ensure;
#[cfg(test)]
mod tests;

use std::ffi::{CStr, CString};
use std::fs::File;

use bpf_link::{CgroupIterOrder, InfoBuffers, IterTarget, MapId};
use zerocopy::native_endian::{U32, U64};

use crate::error::Result;
use crate::info::answer::{Answer, mirror, reported};
use crate::info::buf::{Ask, name_room};
use crate::info::facts::facts;
use crate::info::types::{always_attached, info};
use crate::link::link_type::link_type;

pub use attach::IterAttach;

link_type! {
    /// A link of an iterator: a program that runs for each kernel object of a sort, whenever
    /// somebody reads.
    ///
    /// Since Linux 5.8. Updated by a program; it is not detached. A pin of it can be read like a
    /// file.
    #[doc(alias = "BPF_LINK_TYPE_ITER")]
    pub struct IterLink: Iter, IterInfo / IterInfoRef;
    facts: facts! {
        Iter: "kernel objects", since "5.8";
        target_name "5.8",
        target "5.10",
    };
    ask: Ask::Name(|memory| InfoBuffers::Iter { target_name: name_room(&mut memory.name) });
    has: update;
}

info! {
    /// What the kernel says about an [`IterLink`].
    pub struct IterInfo / IterInfoRef {
        /// The sort of objects: `task`, `bpf_map_elem` and so on.
        #[cfg_attr(feature = "serde", serde(default, with = "crate::info::serde_name"))]
        target_name: Option<CString> => Option<&'a CStr>,
        /// Which of them.
        target: IterTarget,
    }
}

always_attached!(IterInfo, IterInfoRef<'_>);

mirror! {
    /// The fields of an iterator over what is in a map.
    struct OverMap: bpf_link_info__iter {
        target_name: U64 = iter.target_name,
        target_name_len: U32 = iter.target_name_len,
        map_id: U32 = iter.map_union.map.map_id,
        other: [U64; 2],
    }
}

mirror! {
    /// The fields of an iterator over cgroups.
    struct OverCgroups: bpf_link_info__iter {
        target_name: U64 = iter.target_name,
        target_name_len: U32 = iter.target_name_len,
        map_id: U32 = iter.map_union.map.map_id,
        cgroup_id: U64 = iter.cgroup_union.cgroup.cgroup_id,
        order: U32 = iter.cgroup_union.cgroup.order,
        padding: U32,
    }
}

mirror! {
    /// The fields of an iterator over tasks.
    struct OverTasks: bpf_link_info__iter {
        target_name: U64 = iter.target_name,
        target_name_len: U32 = iter.target_name_len,
        map_id: U32 = iter.map_union.map.map_id,
        tid: U32 = iter.cgroup_union.task.tid,
        pid: U32 = iter.cgroup_union.task.pid,
        padding: U64,
    }
}

impl<'a> IterInfoRef<'a> {
    #[inline]
    pub(crate) fn parse(answer: &Answer<'a>) -> Self {
        let target_name = answer.name();
        Self {
            id: answer.id(),
            program_id: answer.program_id(),
            target_name,
            target: target_of(answer, target_name),
        }
    }
}

#[inline]
fn target_of(answer: &Answer<'_>, name: Option<&CStr>) -> IterTarget {
    let map: &OverMap = answer.arm();
    if let Some(id) = reported!(answer, map: OverMap, map_id).and_then(MapId::new) {
        return IterTarget::Map(id);
    }
    // The id of a cgroup and those of tasks are in one place, and a later kernel may have
    // something else there: the name says what it is.
    match name.map_or(b"".as_slice(), CStr::to_bytes) {
        b"cgroup" => {
            let cgroups: &OverCgroups = answer.arm();
            match reported!(answer, cgroups: OverCgroups, order) {
                Some(order) => IterTarget::Cgroup {
                    cgroup_id: cgroups.cgroup_id.get(),
                    order: CgroupIterOrder::from_raw(order),
                },
                None => IterTarget::All,
            }
        }
        b"task" | b"task_file" | b"task_vma" => {
            let tasks: &OverTasks = answer.arm();
            let tid = reported!(answer, tasks: OverTasks, tid).filter(|tid| *tid != 0);
            let pid = reported!(answer, tasks: OverTasks, pid).filter(|pid| *pid != 0);
            match (tid, pid) {
                (Some(tid), _) => IterTarget::Tid(tid),
                (None, Some(pid)) => IterTarget::Pid(pid),
                (None, None) => IterTarget::All,
            }
        }
        _ => IterTarget::All,
    }
}

impl IterLink {
    /// Starts a new run of the iterator: what the program writes can be read from the file.
    ///
    /// # Errors
    ///
    /// As [`RawLink::create_iter`](bpf_link::RawLink::create_iter).
    pub fn create_iter(&self) -> Result<File> {
        Ok(self.0.create_iter()?)
    }
}
