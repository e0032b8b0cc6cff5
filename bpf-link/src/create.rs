//! `BPF_LINK_CREATE` and `BPF_RAW_TRACEPOINT_OPEN`: attaching a program.

use std::io;
use std::mem::offset_of;
use std::os::fd::AsFd;

use bpf_link_sys as c;

use crate::args::{
    Anchor, CreateArgs, CreateTarget, IterArgs, IterTask, LinkCreate, MprogArgs, RawTracepointOpen,
};
use crate::error::{Command, CommandError, Error, InvalidRequest, Result, Target};
use crate::flags::{AttachFlags, NetfilterFlags};
use crate::kind::LinkKind;
use crate::link::RawLink;
use crate::sys;

impl RawLink {
    /// Attaches a program, or a `struct_ops` map, to a hook.
    ///
    /// The kernel keeps the program; the caller's descriptor of it may be closed. The program is attached as long as
    /// the link has a descriptor or a pin.
    ///
    /// # Errors
    ///
    /// Nothing is sent to the kernel, and nothing is attached, with
    ///
    /// - [`Error::InvalidRequest`]: the arguments are of another kind than the attach type's, an anchor is a link of
    ///   another kind, or a session is to be a return probe;
    /// - [`Error::NotALink`]: an anchor that is given as a link is none;
    /// - [`Error::Vanished`], [`Error::Unsettled`] or [`Error::PermissionDenied`] for an anchor that is given by a
    ///   link's id, and so is opened first: as [`from_id`](Self::from_id).
    ///
    /// From the kernel, with nothing attached:
    ///
    /// - [`Error::UnsupportedByKernel`] (`EINVAL`, `E2BIG`, `EOPNOTSUPP`): this kernel does not know the arguments, or
    ///   was built without the kind. Kernels answer `EINVAL` to much else; this variant is for where it is certain.
    /// - [`Error::PermissionDenied`] (`EPERM`, `EACCES`): the caller lacks a capability, a cgroup has a program that does
    ///   not share its hook, the device is the peer end of a netkit pair, or an iterator's program uses more of an element
    ///   than its map has.
    /// - [`Error::StaleRevision`] (`ESTALE`): the expected revision is not the hook's.
    /// - [`Error::Command`] with
    ///   - `EBADF`: the cgroup, the perf event or the pidfd is none, the iterator's target needs a map and got none, or
    ///     the probed file is not a regular one;
    ///   - `EINVAL`: the program, the network namespace or the map is none, the program does not fit the attach type,
    ///     there is no such interface (xdp), or a flag is unknown;
    ///   - `ENODEV`: there is no such interface (tcx, netkit), and `ENXIO`: it is not a netkit device (netkit);
    ///   - `ENOENT`: the anchor is not on this hook, no cgroup has the id that an iterator is to start from, or there is
    ///     no such file (`uprobe_multi`);
    ///   - `ESRCH`: there is no such function, or it is given twice (`kprobe_multi`), or no such process (`uprobe_multi`);
    ///   - `EEXIST`: this program is on the hook already (tcx, netkit), the device has a program in another mode (xdp),
    ///     the perf event has a program or its tracepoint this one, or the name is taken (`struct_ops`);
    ///   - `EBUSY`: another program has the hook (xdp), the priority (netfilter), the slot (sockmap) or the function (an
    ///     extension), or this program has it (tracing, `tracing_multi`);
    ///   - `E2BIG`: no more programs fit on the hook (netns, cgroup), or there are more than 2^20 functions or probes;
    ///   - `ERANGE`: no more programs fit on the hook (tcx, netkit), or the priority is one that no program can have
    ///     (netfilter);
    ///   - `EOPNOTSUPP`: the device's driver has no XDP (xdp), the device was made without a peer (netkit), or a flag is
    ///     unknown (netfilter), as is the family with `EAFNOSUPPORT` and the hook with `EPROTO`.
    ///
    /// # Kernel
    ///
    /// `BPF_LINK_CREATE` since Linux 5.7, which ends in `link_create` (7.3). Interfaces are looked up, and netfilter
    /// hooks are made, in the network namespace of the calling thread.
    ///
    /// Before Linux 6.17 the kernel ignores the revision, and in some cases the anchor, of a cgroup link, and before
    /// Linux 6.1 the thread of an iterator; here each of them is [`Error::UnsupportedByKernel`] on such a kernel.
    pub fn create(request: &LinkCreate<'_>) -> Result<Self> {
        request.check()?;
        let opened = open_anchor(request)?;
        let request = &match (&opened, request.args) {
            (Some(link), CreateArgs::Mprog(args)) => {
                request.args(args.anchor(Anchor::Link(link.as_fd())))
            }
            _ => *request,
        };
        if let CreateArgs::Mprog(args) = &request.args {
            check_anchor(request, args)?;
            check_cgroup_order(request, args)?;
        }
        let link = sys::link_create(request)
            .map(Self::from_link_fd)
            .map_err(|source| refused(request, source))?;
        check_tid(request, &link)?;
        Ok(link)
    }

    /// Attaches a raw tracepoint program to a tracepoint, or a tracing program to the target that it was loaded for.
    ///
    /// Ownership is as with [`create`](Self::create).
    ///
    /// # Errors
    ///
    /// - [`Error::UnsupportedByKernel`] (`EINVAL`): a cookie was given, and this kernel has none for raw tracepoints.
    /// - [`Error::PermissionDenied`] (`EPERM`): before Linux 5.19, the caller lacks `CAP_BPF` where the use of
    ///   `bpf(2)` is restricted.
    /// - [`Error::Command`] with
    ///   - `ENOENT`: there is no tracepoint of this name, or, on Linux 5.10, the tracing program has been attached
    ///     before;
    ///   - `EINVAL`: the program is none, is not of a type that can be attached like this, got a name that it has no use
    ///     for, or is an extension that has been attached before;
    ///   - `EFAULT`: the program is for a raw tracepoint, and no name was given;
    ///   - `EEXIST`: before Linux 6.10, the program is on this tracepoint already;
    ///   - `EBUSY`: the tracing program is attached already.
    ///
    /// # Kernel
    ///
    /// `BPF_RAW_TRACEPOINT_OPEN` since Linux 4.17, a link since Linux 5.7; it ends in `bpf_raw_tp_link_attach` or
    /// `bpf_tracing_prog_attach` (7.3).
    pub fn open_raw_tracepoint(request: &RawTracepointOpen<'_>) -> Result<Self> {
        sys::raw_tracepoint_open(request)
            .map(Self::from_link_fd)
            .map_err(|source| {
                let unsupported = source.raw_os_error() == Some(libc::EINVAL)
                    && request.cookie != 0
                    && matches!(sys::knows_raw_tracepoint_cookie(), Ok(false));
                let target = Target::Tracepoint(request.name().map(ToOwned::to_owned));
                let error = CommandError::new(Command::RawTracepointOpen, target, source);
                if unsupported {
                    Error::UnsupportedByKernel(error)
                } else {
                    error.classify()
                }
            })
    }
}

fn error(request: &LinkCreate<'_>, source: io::Error) -> CommandError {
    CommandError::new(
        Command::LinkCreate,
        Target::Hook(request.attach_type),
        source,
    )
}

/// What the kernel's refusal means.
fn refused(request: &LinkCreate<'_>, source: io::Error) -> Error {
    let error = error(request, source);
    let kind = request.attach_type.link_kind();
    let unsupported = match error.errno() {
        // Sent on is the whole of what an iterator goes over, and kernels before Linux 6.1 know only maps.
        Some(libc::E2BIG) if matches!(request.args, CreateArgs::Iter(_)) => true,
        // What of it this kernel does not know has been refused before.
        Some(libc::EINVAL | libc::E2BIG) if kind == Some(LinkKind::Cgroup) => false,
        Some(libc::EINVAL | libc::E2BIG) => {
            matches!(sys::knows_link_create(&request.args), Ok(false))
        }
        Some(libc::EOPNOTSUPP) => match (kind, &request.args) {
            (Some(LinkKind::Netfilter), CreateArgs::Netfilter(args)) => {
                NetfilterFlags::IP_DEFRAG.contains(args.flags)
            }
            (Some(kind), _) => matches!(
                kind,
                LinkKind::Netns
                    | LinkKind::PerfEvent
                    | LinkKind::KprobeMulti
                    | LinkKind::UprobeMulti
                    | LinkKind::Sockmap
            ),
            (None, _) => false,
        },
        _ => false,
    };
    match error.errno() {
        _ if unsupported => Error::UnsupportedByKernel(error),
        Some(libc::ESTALE) => Error::StaleRevision(error),
        _ => error.classify(),
    }
}

/// Opens an anchor that is given by a link's id, so that what is checked is what is used.
fn open_anchor(request: &LinkCreate<'_>) -> Result<Option<RawLink>> {
    match request.args {
        CreateArgs::Mprog(MprogArgs {
            anchor: Some(Anchor::LinkId(id)),
            ..
        }) => RawLink::from_id(id).map(Some),
        _ => Ok(None),
    }
}

/// Refuses a link of another kind as the anchor: the kernel follows a null pointer where the anchor is a `struct_ops`
/// link (`bpf_mprog_link`, seen on Linux 6.12 and 7.3).
fn check_anchor(request: &LinkCreate<'_>, args: &MprogArgs<'_>) -> Result<()> {
    let Some(Anchor::Link(anchor)) = args.anchor else {
        return Ok(());
    };
    let refused =
        |command| move |source| CommandError::new(command, Target::Descriptor, source).classify();
    // The info of other objects has numbers in the place of the kind, which mean something else.
    if !sys::is_link(anchor).map_err(refused(Command::LinkUpdate))? {
        return Err(Error::NotALink(Target::Descriptor));
    }
    let start = sys::object_start(anchor).map_err(refused(Command::ObjGetInfoByFd))?;
    let found = LinkKind::from_raw(start.kind);
    let fits = match request.attach_type.link_kind() {
        Some(kind) => found == kind,
        None => found != LinkKind::StructOps,
    };
    if fits {
        Ok(())
    } else {
        Err(InvalidRequest::Anchor {
            attach_type: request.attach_type,
            found,
        }
        .into())
    }
}

/// Refuses a position or revision of a cgroup link where the kernel would not look at it.
///
/// Such a kernel refuses the flag `BEFORE` as well, and does so before it looks up the cgroup. So two requests that
/// can attach nothing, as their cgroup does not exist, tell: with the flag and without.
fn check_cgroup_order(request: &LinkCreate<'_>, args: &MprogArgs<'_>) -> Result<()> {
    let asks = args.anchor.is_some() || args.expected_revision != 0;
    if !asks || request.attach_type.link_kind() != Some(LinkKind::Cgroup) {
        return Ok(());
    }
    let probe = LinkCreate {
        target: CreateTarget::NoDescriptor,
        args: CreateArgs::None,
        ..*request
    };
    let answer = |flags: AttachFlags| match sys::link_create(&probe.flags(flags)) {
        Err(answer) => match answer.raw_os_error() {
            Some(errno @ (libc::EINVAL | libc::EBADF)) => Ok(errno),
            // It does not tell, and without telling a position may be lost.
            _ => Err(self::error(request, answer).classify()),
        },
        Ok(_) => Ok(0),
    };
    if answer(AttachFlags::BEFORE)? == libc::EINVAL && answer(AttachFlags::empty())? == libc::EBADF
    {
        let source = io::Error::from_raw_os_error(libc::EINVAL);
        return Err(Error::UnsupportedByKernel(error(request, source)));
    }
    Ok(())
}

/// Refuses a thread's iterator on a kernel that has taken it for an iterator over every thread: such a kernel has no
/// thread in its info either.
fn check_tid(request: &LinkCreate<'_>, link: &RawLink) -> Result<()> {
    const END: usize = offset_of!(
        c::bpf_link_info,
        raw_tracepoint_union.iter.cgroup_union.task
    ) + size_of::<u32>();
    if !matches!(
        request.args,
        CreateArgs::Iter(IterArgs::Task(IterTask::Tid(_)))
    ) {
        return Ok(());
    }
    if link.info()?.as_bytes().len() >= END {
        return Ok(());
    }
    let source = io::Error::new(io::ErrorKind::Unsupported, "the thread was ignored");
    Err(Error::UnsupportedByKernel(error(request, source)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AttachType, NetfilterArgs};

    /// Kernels that were built without some kinds are rare, and what they answer is the same for a flag that none knows.
    #[test]
    fn not_built_in() -> std::io::Result<()> {
        let program = std::fs::File::open("/dev/null")?;
        let is_unsupported = |request: LinkCreate<'_>| {
            let answer = io::Error::from_raw_os_error(libc::EOPNOTSUPP);
            matches!(refused(&request, answer), Error::UnsupportedByKernel(_))
        };
        for attach_type in [
            AttachType::SkLookup,
            AttachType::PerfEvent,
            AttachType::TraceKprobeMulti,
            AttachType::TraceUprobeMulti,
            AttachType::SkMsgVerdict,
        ] {
            assert!(
                is_unsupported(LinkCreate::new(&program, attach_type)),
                "{attach_type:?}"
            );
        }
        // The device's driver has no XDP.
        assert!(!is_unsupported(LinkCreate::new(&program, AttachType::Xdp)));
        let netfilter = |flags| {
            let args = NetfilterArgs::new(2, 4, 0).flags(flags);
            LinkCreate::new(&program, AttachType::Netfilter).args(args)
        };
        assert!(is_unsupported(netfilter(NetfilterFlags::IP_DEFRAG)));
        assert!(!is_unsupported(netfilter(
            NetfilterFlags::from_bits_retain(2)
        )));
        Ok(())
    }
}
