//! `BPF_PROG_QUERY`: which programs a hook has, and in which order they run.

use std::io;
use std::os::fd::AsFd;

use bpf_link_sys as c;

use crate::args::CreateTarget;
use crate::attach_type::AttachType;
use crate::error::{Command, CommandError, Error, Result, Target};
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
#[non_exhaustive]
pub struct HookPrograms {
    /// The programs, in the order in which they run.
    pub programs: Vec<HookProgram>,
    /// Whether the kernel says which links the programs are attached by: for tcx and netkit.
    pub has_links: bool,
    /// How the hook is shared; for cgroups.
    pub flags: AttachFlags,
    /// A number that changes whenever a program is attached, detached or updated. For tcx and
    /// netkit, and for cgroups since Linux 6.17. A request to attach can expect it.
    pub revision: Option<u64>,
}

/// A program of a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HookProgram {
    /// The program.
    pub id: ProgramId,
    /// The link that attaches it. `None` if it is attached without a link, or if the kernel does
    /// not say: [`HookPrograms::has_links`].
    pub link: Option<LinkId>,
    /// How the program's hook is shared, if the query covers many hooks: for
    /// [`AttachType::LsmCgroup`], which is every hook of the security modules.
    pub flags: Option<AttachFlags>,
}

impl<'a> Hook<'a> {
    /// This attach type of what this file descriptor stands for: a cgroup's directory, a network
    /// namespace, a sockmap.
    pub fn of_fd(attach_type: AttachType, target: &'a (impl AsFd + ?Sized)) -> Self {
        Self {
            attach_type,
            target: CreateTarget::Fd(target.as_fd()),
            flags: 0,
        }
    }

    /// This attach type of the network device with this index in the network namespace of the
    /// calling thread.
    #[must_use]
    pub fn of_device(attach_type: AttachType, ifindex: u32) -> Self {
        Self {
            attach_type,
            target: CreateTarget::Ifindex(ifindex),
            flags: 0,
        }
    }

    /// For a cgroup: asks for all programs that run, also those of its ancestors. The kernel
    /// reports no flags with them.
    #[must_use]
    pub fn effective(mut self) -> Self {
        self.flags |= c::BPF_F_QUERY_EFFECTIVE;
        self
    }

    /// Asks which programs the hook has. A list that grows while it is read is read again.
    ///
    /// # Errors
    ///
    /// - [`UnsupportedByKernel`](crate::Error::UnsupportedByKernel) (`EINVAL`): this kernel does
    ///   not know the attach type, or has no query for it.
    /// - [`PermissionDenied`](crate::Error::PermissionDenied)
    ///   - `EPERM`: the caller lacks `CAP_NET_ADMIN`;
    ///   - `EACCES`: the device is the peer and not the primary end of a netkit pair.
    /// - [`Command`](crate::Error::Command) with
    ///   - `EBADF`: the descriptor is not a cgroup (cgroup), or not an open file (netns);
    ///   - `ENODEV`: there is no such interface (tcx, netkit), and `ENXIO`: it is not a netkit
    ///     device (netkit);
    ///   - `EINVAL`: the descriptor is not a network namespace (netns) or a map (sockmap),
    ///     or a hook other than a cgroup's was asked for [`effective`](Self::effective) programs;
    ///   - `EOPNOTSUPP`: the map is not a map of sockets (sockmap);
    ///   - `EBUSY`: the map has a stream verdict and was asked for a verdict, or the other way
    ///     round: it cannot have both (sockmap).
    ///
    /// # Kernel
    ///
    /// `BPF_PROG_QUERY`: of cgroups since Linux 4.15, network namespaces since Linux 4.19, sockmaps
    /// since Linux 5.19, tcx since Linux 6.6, netkit since Linux 6.7. It ends in `bpf_prog_query`
    /// (7.3).
    pub fn query(&self) -> Result<HookPrograms> {
        let kind = self.attach_type.link_kind();
        let has_links = matches!(kind, Some(LinkKind::Tcx | LinkKind::Netkit));
        // Without room for them, the kernel lists no programs that the cgroup itself has.
        let has_program_flags = self.attach_type == AttachType::LsmCgroup && !self.is_effective();
        let request = sys::QueryRequest {
            target: self.target,
            attach_type: self.attach_type.as_raw(),
            flags: self.flags,
        };
        let mut lists = sys::QueryLists::default();
        loop {
            let (answer, result) = sys::prog_query(&request, &mut lists);
            let count = answer.count as usize;
            match result {
                Ok(()) if count <= lists.programs.len() => {
                    lists.programs.truncate(count);
                    return Ok(HookPrograms {
                        programs: together(&lists),
                        has_links,
                        flags: AttachFlags::from_bits_retain(answer.attach_flags),
                        revision: (answer.revision != 0).then_some(answer.revision),
                    });
                }
                // There was no room for all.
                Ok(()) => {}
                Err(error)
                    if error.raw_os_error() == Some(libc::ENOSPC)
                        && count > lists.programs.len() => {}
                Err(source) => return Err(self.refused(source)),
            }
            lists.programs.resize(count, 0);
            if has_links {
                lists.links.resize(count, 0);
            }
            if has_program_flags {
                lists.program_flags.resize(count, 0);
            }
        }
    }

    fn is_effective(&self) -> bool {
        self.flags & c::BPF_F_QUERY_EFFECTIVE != 0
    }

    /// What the kernel's refusal means.
    fn refused(&self, source: io::Error) -> Error {
        let is_unsupported = source.raw_os_error() == Some(libc::EINVAL) && self.is_unsupported();
        let target = Target::Hook {
            attach_type: self.attach_type,
            of: self.target.named(self.attach_type).map(Box::new),
        };
        let error = CommandError::new(Command::ProgQuery, target, source);
        if is_unsupported {
            Error::UnsupportedByKernel(error)
        } else {
            error.classify()
        }
    }

    /// Whether it is the attach type that the kernel answers `EINVAL` for.
    fn is_unsupported(&self) -> bool {
        match self.attach_type.link_kind() {
            // It has no other reason.
            Some(LinkKind::Cgroup) => true,
            // The attach type is looked at first: what does not exist is told from it.
            Some(LinkKind::Tcx | LinkKind::Netkit | LinkKind::Netns | LinkKind::Sockmap) => {
                let request = sys::QueryRequest {
                    target: CreateTarget::NoDescriptor,
                    attach_type: self.attach_type.as_raw(),
                    flags: 0,
                };
                let (_, result) = sys::prog_query(&request, &mut sys::QueryLists::default());
                result.is_err_and(|error| error.raw_os_error() == Some(libc::EINVAL))
            }
            _ => false,
        }
    }
}

fn together(lists: &sys::QueryLists) -> Vec<HookProgram> {
    let links = lists.links.iter().copied().map(LinkId::new);
    let links = links.chain(std::iter::repeat(None));
    let flags = lists.program_flags.iter().copied();
    let flags = flags.map(|bits| Some(AttachFlags::from_bits_retain(bits)));
    let flags = flags.chain(std::iter::repeat(None));
    let programs = lists.programs.iter().zip(links).zip(flags);
    programs
        .filter_map(|((id, link), flags)| {
            Some(HookProgram {
                id: ProgramId::new(*id)?,
                link,
                flags,
            })
        })
        .collect()
}
