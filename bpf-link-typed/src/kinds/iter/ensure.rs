//! Whether a link is an iterator over the same objects.

use std::os::fd::{AsRawFd as _, BorrowedFd};

use bpf_link::{AttachType, IterArgs, IterCgroup, IterTask, MapInfo, Target};

use super::{IterAttach, IterInfo, IterLink, IterTarget};
use crate::attach::file_ref::FileRef;
use crate::attach::{cgroup, fit};
use crate::ensure::{Match, Recipe, Wanted};
use crate::error::Result;

impl Recipe for IterAttach<'_> {
    type Link = IterLink;

    fn create(&self, program: BorrowedFd<'_>) -> Result<IterLink> {
        self.attach(program)
    }

    fn compare(&self, _link: &IterLink, info: &IterInfo, wanted: &Wanted<'_>) -> Result<Match> {
        let is_same = self.is_over(info.target)?;
        let is_of_sort = match info.target {
            // The type of the map decides what an iterator over it goes over.
            IterTarget::Map(_) => Some(true),
            _ => wanted.has_load_time_target_of(info.program_id)?,
        };
        Ok(match (is_same, is_of_sort) {
            (true, is_of_sort) => Match::hook(is_of_sort),
            (false, _) => Match::OtherHook,
        })
    }

    fn look_up(&self, _wanted: &Wanted<'_>) -> Result<()> {
        match self.args() {
            Some(IterArgs::Cgroup {
                cgroup: IterCgroup::Fd(fd),
                ..
            }) => cgroup::id_of(&fd.into()).map(drop),
            _ => Ok(()),
        }
    }

    fn check(&self, wanted: &Wanted<'_>) -> Result<()> {
        let attach_type = AttachType::TraceIter;
        let hook = || Target::Hook {
            attach_type,
            of: self.map_target().map(Box::new),
        };
        fit::check_by_asking(wanted.object, attach_type, hook)
    }
}

impl IterAttach<'_> {
    /// Whether these are the objects; what cannot be told is not the same.
    fn is_over(&self, target: IterTarget) -> Result<bool> {
        /// The id of the first cgroup.
        const ROOT: u64 = 1;
        Ok(match (self.args(), target) {
            (None, IterTarget::All) => true,
            (Some(IterArgs::Map(map)), IterTarget::Map(found)) => MapInfo::of(&map)?.id == found,
            (
                Some(IterArgs::Cgroup { cgroup, order }),
                IterTarget::Cgroup {
                    cgroup_id,
                    order: found,
                },
            ) => {
                let id = match cgroup {
                    IterCgroup::Root => ROOT,
                    IterCgroup::Id(id) => id,
                    IterCgroup::Fd(fd) => match FileRef::from(fd).cgroup_id()? {
                        Some(id) => id,
                        None => return Ok(false),
                    },
                    _ => return Ok(false),
                };
                id == cgroup_id && order == found
            }
            (Some(IterArgs::Task(IterTask::Tid(tid))), IterTarget::Tid(found)) => tid == found,
            (Some(IterArgs::Task(IterTask::Pid(pid))), IterTarget::Pid(found)) => pid == found,
            (Some(IterArgs::Task(IterTask::Pidfd(fd))), IterTarget::Pid(found)) => {
                pid_of(fd) == Some(found)
            }
            _ => false,
        })
    }
}

/// The process that a pidfd stands for, as procfs has it.
fn pid_of(pidfd: BorrowedFd<'_>) -> Option<u32> {
    let path = format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd());
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pid:"))?;
    line.trim().parse().ok()
}
