//! What an iterator goes over.

pub(crate) mod tid;

use std::os::fd::{AsFd, BorrowedFd};

use crate::error::Target;
use crate::open_enum::open_enum;

open_enum! {
    /// In which order an iterator goes over cgroups.
    pub enum CgroupIterOrder {
        /// The cgroup itself, and no other.
        #[doc(alias = "BPF_CGROUP_ITER_SELF_ONLY")]
        SelfOnly = BPF_CGROUP_ITER_SELF_ONLY, "self_only";
        /// The cgroup, then its descendants, parents first.
        #[doc(alias = "BPF_CGROUP_ITER_DESCENDANTS_PRE")]
        DescendantsPre = BPF_CGROUP_ITER_DESCENDANTS_PRE, "descendants_pre";
        /// The descendants, children first, then the cgroup.
        #[doc(alias = "BPF_CGROUP_ITER_DESCENDANTS_POST")]
        DescendantsPost = BPF_CGROUP_ITER_DESCENDANTS_POST, "descendants_post";
        /// The cgroup and its ancestors, up to the root.
        #[doc(alias = "BPF_CGROUP_ITER_ANCESTORS_UP")]
        AncestorsUp = BPF_CGROUP_ITER_ANCESTORS_UP, "ancestors_up";
        /// The children of the cgroup. Since Linux 7.0.
        #[doc(alias = "BPF_CGROUP_ITER_CHILDREN")]
        Children = BPF_CGROUP_ITER_CHILDREN, "children";
    }
}

/// What an iterator goes over; without it, the iterator goes over everything of its sort.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum IterArgs<'a> {
    /// The elements of this map.
    Map(BorrowedFd<'a>),
    /// Cgroups, from this one, in this order. Since Linux 6.1.
    Cgroup {
        /// Where to start.
        cgroup: IterCgroup<'a>,
        /// Which cgroups, and in which order.
        order: CgroupIterOrder,
    },
    /// One task, or the tasks of one process. Since Linux 6.1.
    Task(IterTask<'a>),
}

/// The cgroup that an iterator starts from.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum IterCgroup<'a> {
    /// The root of the cgroup v2 hierarchy.
    Root,
    /// The cgroup with this directory.
    Fd(BorrowedFd<'a>),
    /// The cgroup with this id.
    Id(u64),
}

/// The tasks that an iterator goes over.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum IterTask<'a> {
    /// The thread with this id in the caller's PID namespace.
    Tid(u32),
    /// The threads of the process with this id in the caller's PID namespace.
    Pid(u32),
    /// The threads of the process that this pidfd stands for.
    Pidfd(BorrowedFd<'a>),
}

impl<'a> IterArgs<'a> {
    /// The elements of this map.
    pub fn map(map: &'a (impl AsFd + ?Sized)) -> Self {
        Self::Map(map.as_fd())
    }
}

impl IterArgs<'_> {
    /// What errors call it; `None` for a map.
    pub(crate) fn target(&self) -> Option<Target> {
        match *self {
            Self::Cgroup {
                cgroup: IterCgroup::Id(id),
                ..
            } => Some(Target::CgroupId(id)),
            Self::Task(IterTask::Tid(tid)) => Some(Target::Thread(tid)),
            Self::Task(IterTask::Pid(pid)) => Some(Target::Process(pid)),
            Self::Cgroup { .. } | Self::Task(IterTask::Pidfd(_)) => Some(Target::Descriptor),
            Self::Map(_) => None,
        }
    }

    /// The map that it goes over.
    pub(crate) fn map_fd(&self) -> Option<BorrowedFd<'_>> {
        match *self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }
}
