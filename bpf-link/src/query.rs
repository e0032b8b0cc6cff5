//! `BPF_PROG_QUERY`: which programs a hook has, and in which order they run.

use std::os::fd::AsFd;

use bpf_link_sys as c;

use crate::args::CreateTarget;
use crate::attach_type::AttachType;
use crate::error::{Command, CommandError, Result, Target};
use crate::flags::AttachFlags;
use crate::id::{LinkId, ProgramId};
use crate::kind::LinkKind;
use crate::sys;

/// The hook that [`query`](Self::query) asks about.
#[derive(Clone, Copy, Debug)]
pub struct Hook<'a> {
    attach_type: AttachType,
    target: CreateTarget<'a>,
    flags: u32,
}

/// The programs of a hook, as they were at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookPrograms {
    /// The programs, in the order in which they run.
    pub programs: Vec<HookProgram>,
    /// Whether the kernel says which links the programs are attached by: for tcx and netkit.
    pub has_links: bool,
    /// How the hook is shared; for cgroups.
    pub flags: AttachFlags,
    /// Changes with every program that is attached, detached or updated: for tcx and netkit, for cgroups since Linux 6.17.
    pub revision: Option<u64>,
}

/// A program of a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HookProgram {
    /// The program.
    pub id: ProgramId,
    /// The link that it is attached by. `None` if it is attached without, or if the kernel does not say:
    /// [`HookPrograms::has_links`].
    pub link: Option<LinkId>,
}

impl<'a> Hook<'a> {
    /// This attach type of what this file descriptor stands for: a cgroup's directory, a network namespace, a sockmap.
    pub fn of_fd(attach_type: AttachType, target: &'a (impl AsFd + ?Sized)) -> Self {
        Self {
            attach_type,
            target: CreateTarget::Fd(target.as_fd()),
            flags: 0,
        }
    }

    /// This attach type of the network device with this index in the network namespace of the calling thread.
    #[must_use]
    pub fn of_device(attach_type: AttachType, ifindex: u32) -> Self {
        Self {
            attach_type,
            target: CreateTarget::Ifindex(ifindex),
            flags: 0,
        }
    }

    /// For a cgroup: also the programs of its ancestors, as all of them run. The kernel gives no flags with them.
    #[must_use]
    pub fn effective(mut self) -> Self {
        self.flags |= c::BPF_F_QUERY_EFFECTIVE;
        self
    }

    /// Asks which programs the hook has. A list that grows while it is read is read again.
    ///
    /// # Errors
    ///
    /// - [`PermissionDenied`](crate::Error::PermissionDenied) (`EPERM`): the caller lacks `CAP_NET_ADMIN`.
    /// - [`Command`](crate::Error::Command) with
    ///   - `EBADF`: the descriptor is none of a cgroup;
    ///   - `ENODEV`: there is no such interface;
    ///   - `EINVAL`: this kernel does not know the attach type, the descriptor is none of its sort, or a hook other than
    ///     a cgroup's was asked for [`effective`](Self::effective) programs.
    ///
    /// # Kernel
    ///
    /// `BPF_PROG_QUERY`: of cgroups since Linux 4.15, network namespaces since Linux 4.19, sockmaps since Linux 5.19, tcx
    /// since Linux 6.6, netkit since Linux 6.7. It ends in `bpf_prog_query` (7.3).
    pub fn query(&self) -> Result<HookPrograms> {
        let has_links = matches!(
            self.attach_type.link_kind(),
            Some(LinkKind::Tcx | LinkKind::Netkit)
        );
        let request = sys::QueryRequest {
            target: self.target,
            attach_type: self.attach_type.as_raw(),
            flags: self.flags,
        };
        let (mut programs, mut links) = (Vec::new(), Vec::new());
        loop {
            let (answer, result) = sys::prog_query(&request, &mut programs, &mut links);
            let count = answer.count as usize;
            match result {
                Ok(()) if count <= programs.len() => {
                    programs.truncate(count);
                    links.truncate(count);
                    return Ok(HookPrograms {
                        programs: together(&programs, &links),
                        has_links,
                        flags: AttachFlags::from_bits_retain(answer.attach_flags),
                        revision: (answer.revision != 0).then_some(answer.revision),
                    });
                }
                // There was no room for all.
                Ok(()) => {}
                Err(error)
                    if error.raw_os_error() == Some(libc::ENOSPC) && count > programs.len() => {}
                Err(source) => {
                    let target = Target::Hook(self.attach_type);
                    return Err(CommandError::new(Command::ProgQuery, target, source).classify());
                }
            }
            programs.resize(count, 0);
            links.resize(if has_links { count } else { 0 }, 0);
        }
    }
}

fn together(programs: &[u32], links: &[u32]) -> Vec<HookProgram> {
    let links = links.iter().copied().chain(std::iter::repeat(0));
    let ids = programs.iter().copied().zip(links);
    ids.filter_map(|(program, link)| {
        Some(HookProgram {
            id: ProgramId::new(program)?,
            link: LinkId::new(link),
        })
    })
    .collect()
}
