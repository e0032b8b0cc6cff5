//! Making an iterator.

use std::os::fd::AsFd;

use bpf_link::{
    AttachType, CgroupIterOrder, IterArgs, IterCgroup, IterTask, LinkCreate, MapInfo, RawLink,
    Target,
};

use super::IterLink;
use crate::attach::fd_ref::FdRef;
use crate::attach::fit;
use crate::error::{Error, Result};

/// Makes an iterator of a program, over the sort of objects that it was loaded for.
///
/// ```no_run
/// use bpf_link_typed::{IterAttach, IterTask};
///
/// # fn example(program: std::fs::File) -> Result<(), Box<dyn std::error::Error>> {
/// let link = IterAttach::over_tasks(IterTask::Pid(1)).attach(&program)?;
/// // What the program writes.
/// println!("{}", std::io::read_to_string(link.create_iter()?)?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is attached before the program is given"]
pub struct IterAttach<'a> {
    over: Over<'a>,
}

#[derive(Clone, Debug)]
enum Over<'a> {
    All,
    Map(FdRef<'a>),
    Cgroups(FdRef<'a>, CgroupIterOrder),
    Given(IterArgs<'a>),
}

impl<'a> IterAttach<'a> {
    /// Over all objects of the sort.
    pub fn over_all() -> Self {
        Self { over: Over::All }
    }

    /// Over what is in this map: for `bpf_map_elem`, `bpf_sk_storage_map` and `sockmap`.
    pub fn over_map(map: impl Into<FdRef<'a>>) -> Self {
        let over = Over::Map(map.into());
        Self { over }
    }

    /// Over cgroups, from this one, in this order: for `cgroup`. Since Linux 6.1.
    pub fn over_cgroups(cgroup: IterCgroup<'a>, order: CgroupIterOrder) -> Self {
        Self::over(IterArgs::Cgroup { cgroup, order })
    }

    /// Over cgroups, from the one with this directory, in this order: for `cgroup`. Since Linux
    /// 6.1.
    pub fn over_cgroups_of(cgroup: impl Into<FdRef<'a>>, order: CgroupIterOrder) -> Self {
        let over = Over::Cgroups(cgroup.into(), order);
        Self { over }
    }

    /// Over what belongs to these tasks: for `task`, `task_file` and `task_vma`. Since Linux 6.1.
    pub fn over_tasks(tasks: IterTask<'a>) -> Self {
        Self::over(IterArgs::Task(tasks))
    }

    /// Over this.
    pub fn over(args: IterArgs<'a>) -> Self {
        let over = Over::Given(args);
        Self { over }
    }

    /// What the kernel is given; `None` for all objects.
    pub(super) fn args(&self) -> Option<IterArgs<'_>> {
        match &self.over {
            Over::All => None,
            Over::Map(map) => Some(IterArgs::map(map)),
            Over::Cgroups(cgroup, order) => Some(IterArgs::Cgroup {
                cgroup: IterCgroup::Fd(cgroup.as_fd()),
                order: *order,
            }),
            Over::Given(args) => Some(*args),
        }
    }

    /// Makes the link. Nothing runs before somebody reads: see [`IterLink::create_iter`].
    ///
    /// The program stays the caller's. The link keeps the map or the cgroup.
    ///
    /// # Errors
    ///
    /// [`Error::AttachTypeMismatch`] (`EINVAL`): the program is not an iterator.
    /// [`Error::NotACgroup`] (`EBADF`): the descriptor is not a cgroup. [`Error::Link`] with
    ///
    /// - [`NotAProgram`](bpf_link::Error::NotAProgram) and [`NotAMap`](bpf_link::Error::NotAMap): a
    ///   map was given as the program, or a program as the map;
    /// - [`UnsupportedByKernel`](bpf_link::Error::UnsupportedByKernel) (`E2BIG`): this kernel has
    ///   no iterators over a part of the tasks or cgroups;
    /// - [`Command`](bpf_link::Error::Command) and
    ///   - `EBADF`: the descriptor is not a pidfd, the program wants a map and got none, or the
    ///     map's descriptor was opened with `O_PATH`;
    ///   - `EINVAL`: the map is not one or of a type that the program does not go over, or the
    ///     order is not known;
    ///   - `ENOENT`: there is no cgroup with this id;
    /// - [`PermissionDenied`](bpf_link::Error::PermissionDenied) (`EACCES`): the program uses more
    ///   of an element than the map has.
    ///
    /// # Kernel
    ///
    /// `BPF_LINK_CREATE`, since Linux 5.8; it ends in `bpf_iter_link_attach` (7.3).
    pub fn attach(&self, program: impl AsFd) -> Result<IterLink> {
        let request = LinkCreate::new(&program, AttachType::TraceIter);
        let request = match self.args() {
            Some(args) => request.args(args),
            None => request,
        };
        let or_mismatch = |source| fit::or_mismatch(program.as_fd(), AttachType::TraceIter, source);
        let link = RawLink::create(&request).map(IterLink);
        link.map_err(|source| match (source.errno(), self.args()) {
            (Some(libc::EBADF), Some(IterArgs::Cgroup { .. })) => {
                Error::NotACgroup { path: None, source }
            }
            (_, Some(IterArgs::Map(map))) => fit::or_no_map(map, source, or_mismatch),
            _ => or_mismatch(source),
        })
    }

    /// The map that it goes over, as errors name it.
    pub(super) fn map_target(&self) -> Option<Target> {
        match self.args() {
            Some(IterArgs::Map(map)) => MapInfo::of(&map).ok().map(|info| Target::Map(info.id)),
            _ => None,
        }
    }
}
