//! `BPF_LINK_CREATE` and `BPF_RAW_TRACEPOINT_OPEN`: attaching a program.

use std::io;
use std::os::fd::AsFd;

use crate::args::iter::tid;
use crate::args::mprog::{anchor, cgroup_order};
use crate::args::{Anchor, CreateArgs, LinkCreate, RawTracepointOpen};
use crate::error::{Command, CommandError, Error, Result, Target};
use crate::flags::NetfilterFlags;
use crate::kind::LinkKind;
use crate::link::RawLink;
use crate::sys;

impl RawLink {
    /// Attaches a program, or a `struct_ops` map, to a hook.
    ///
    /// The kernel keeps the program; the caller's descriptor of it may be closed. The program is
    /// attached as long as the link has a descriptor or a pin.
    ///
    /// # Errors
    ///
    /// With these errors, nothing was sent to the kernel:
    ///
    /// - [`Error::InvalidRequest`]: the arguments are of another kind than the attach type's, an
    ///   anchor is a link of another kind, the flags say what the anchor is (`BPF_F_LINK`,
    ///   `BPF_F_ID`), a symbol is empty, or a session is to be a return probe;
    /// - [`Error::NotALink`]: an anchor that is given as a link is not a link;
    /// - [`Error::Vanished`], [`Error::Unsettled`] or [`Error::PermissionDenied`] for an anchor
    ///   that is given by a link's id, and so is opened first: as [`from_id`](Self::from_id).
    ///
    /// These come from the kernel, and nothing was attached:
    ///
    /// - [`Error::UnsupportedByKernel`] (`EINVAL`, `E2BIG`, `EOPNOTSUPP`): this kernel does not
    ///   know the arguments, or was built without the kind. Kernels answer `EINVAL` to many other
    ///   requests as well; this variant is returned only if the cause is certain.
    /// - [`Error::PermissionDenied`] (`EPERM`, `EACCES`): the caller lacks a capability, a cgroup
    ///   has a program that does not share its hook, the device is the peer end of a netkit pair,
    ///   or an iterator's program uses more of an element than its map has.
    /// - [`Error::StaleRevision`] (`ESTALE`): the expected revision is not the hook's.
    /// - [`Error::Command`] with
    ///   - `EBADF`: the descriptor is not a cgroup, perf event or pidfd, the iterator's target
    ///     needs a map and got none, or the probed file is not a regular one;
    ///   - `EINVAL`: the descriptor is not a program, network namespace or map, the program does
    ///     not fit the attach type, there is no such interface (xdp), or a flag is unknown;
    ///   - `ENODEV`: there is no such interface (tcx, netkit), and `ENXIO`: it is not a netkit
    ///     device (netkit);
    ///   - `ENOENT`: the anchor is not on this hook, no cgroup has the id that an iterator is to
    ///     start from, or there is no such file (`uprobe_multi`);
    ///   - `ESRCH`: there is no such function, or it is given twice (`kprobe_multi`), or no such
    ///     process (`uprobe_multi`);
    ///   - `EEXIST`: this program is on the hook already (tcx, netkit), the device has a program in
    ///     another mode (xdp), the perf event has a program or its tracepoint this one, or the name
    ///     is taken (`struct_ops`);
    ///   - `EBUSY`: another program has the hook (xdp), the priority (netfilter), the slot
    ///     (sockmap) or the function (an extension), or this program has it (tracing,
    ///     `tracing_multi`);
    ///   - `E2BIG`: no more programs fit on the hook (netns, cgroup), or there are more than 2^20
    ///     functions or probes;
    ///   - `ERANGE`: no more programs fit on the hook (tcx, netkit), or the priority is one that no
    ///     program can have (netfilter);
    ///   - `EOPNOTSUPP`: the device's driver has no XDP (xdp), the device was made without a peer
    ///     (netkit), or a flag is unknown (netfilter), as is the family with `EAFNOSUPPORT` and the
    ///     hook with `EPROTO`.
    ///
    /// # Kernel
    ///
    /// `BPF_LINK_CREATE` since Linux 5.7, which ends in `link_create` (7.3). Interfaces are looked
    /// up, and netfilter hooks are made, in the network namespace of the calling thread.
    ///
    /// Before Linux 6.17 the kernel ignores the revision, and in some cases the anchor, of a cgroup
    /// link, and before Linux 6.1 the thread of an iterator; here each of them is
    /// [`Error::UnsupportedByKernel`] on such a kernel. So is
    /// [`PREORDER`](crate::AttachFlags::PREORDER) of a cgroup link, which the kernel refuses with
    /// `EINVAL` before Linux 6.17.
    pub fn create(request: &LinkCreate<'_>) -> Result<Self> {
        request.check()?;
        let opened = anchor::open(request)?;
        let request = &match (&opened, request.args) {
            (Some(link), CreateArgs::Mprog(args)) => {
                request.args(args.anchor(Anchor::Link(link.as_fd())))
            }
            _ => *request,
        };
        anchor::check(request)?;
        cgroup_order::check(request)?;
        let link = sys::link_create(request)
            .map(Self::from_link_fd)
            .map_err(|source| refused(request, source))?;
        tid::check(request, &link)?;
        Ok(link)
    }

    /// Attaches a raw tracepoint program to a tracepoint, or a tracing program to the target that
    /// it was loaded for.
    ///
    /// Ownership is as with [`create`](Self::create).
    ///
    /// # Errors
    ///
    /// - [`Error::UnsupportedByKernel`] (`EINVAL`): a cookie was given, and this kernel has none
    ///   for raw tracepoints.
    /// - [`Error::PermissionDenied`] (`EPERM`): before Linux 5.19, the caller lacks `CAP_BPF` where
    ///   the use of `bpf(2)` is restricted.
    /// - [`Error::Command`] with
    ///   - `ENOENT`: there is no tracepoint of this name, or, on Linux 5.10, the tracing program
    ///     has been attached before;
    ///   - `EINVAL`: the descriptor is not a program, the program is not of a type that can be
    ///     attached like this, got a name that it has no use for, or is an extension that has been
    ///     attached before;
    ///   - `EFAULT`: the program is for a raw tracepoint, and no name was given;
    ///   - `EEXIST`: before Linux 6.10, the program is on this tracepoint already;
    ///   - `EBUSY`: the tracing program is attached already.
    ///
    /// # Kernel
    ///
    /// `BPF_RAW_TRACEPOINT_OPEN` since Linux 4.17, a link since Linux 5.7; it ends in
    /// `bpf_raw_tp_link_attach` or `bpf_tracing_prog_attach` (7.3).
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

/// What the kernel's refusal means.
fn refused(request: &LinkCreate<'_>, source: io::Error) -> Error {
    let target = match (source.raw_os_error(), &request.args) {
        (Some(libc::ENOENT), CreateArgs::Mprog(args)) => args
            .anchor
            .map(|anchor| anchor::target(anchor, request.hook())),
        _ => None,
    };
    let target = target.unwrap_or_else(|| request.hook());
    let error = CommandError::new(Command::LinkCreate, target, source);
    let kind = request.kind();
    let unsupported = match error.errno() {
        // Sent on is the whole of what an iterator goes over, and kernels before Linux 6.1 know
        // only maps.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AttachType, NetfilterArgs};

    /// Kernels that were built without some kinds are rare, and what they answer is the same for a
    /// flag that none knows.
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
