//! The commands that make links.

use std::ffi::{CStr, c_char};
use std::io;
use std::mem::{self, offset_of};

use bpf_link_sys as c;

use super::{LinkFd, NO_DESCRIPTOR, NonZeroFd, bpf_fd, raw};
use crate::args::{
    Anchor, CreateArgs, CreateTarget, IterArgs, IterCgroup, IterTask, KprobeMultiArgs,
    KprobeMultiFunctions, LinkCreate, MprogArgs, RawTracepointOpen, UprobeMultiArgs,
    UprobeMultiFile,
};

type Attr = c::bpf_attr__link_create;

/// `BPF_LINK_CREATE`. The request has passed [`LinkCreate::check`], so the arm of the union that is
/// filled in is the one that the kernel reads.
pub(crate) fn link_create(request: &LinkCreate<'_>) -> io::Result<LinkFd> {
    let target = match request.target {
        CreateTarget::Fd(fd) => Some(NonZeroFd::new(fd)?),
        _ => None,
    };
    let mut attr = zeroed();
    attr.prog_fd_union.prog_fd = raw(request.object);
    match (request.target, &target) {
        (CreateTarget::Ifindex(ifindex), _) => attr.target_fd_union.target_ifindex = ifindex,
        (CreateTarget::NoDescriptor, _) => attr.target_fd_union.target_fd = NO_DESCRIPTOR,
        (_, Some(fd)) => attr.target_fd_union.target_fd = fd.raw(),
        (_, None) => {}
    }
    attr.attach_type = request.attach_type.as_raw();
    attr.flags = request.flags;

    let arm = &mut attr.target_btf_id_union;
    match &request.args {
        CreateArgs::None => {}
        CreateArgs::Tracing(args) => {
            arm.tracing.target_btf_id = args.target_btf_id.map_or(0, u32::from);
            arm.tracing.cookie = args.cookie;
        }
        CreateArgs::PerfEvent(args) => arm.perf_event.bpf_cookie = args.cookie,
        CreateArgs::Netfilter(args) => {
            arm.netfilter.pf = args.family;
            arm.netfilter.hooknum = args.hook;
            arm.netfilter.priority = args.priority;
            arm.netfilter.flags = args.flags.bits();
        }
        CreateArgs::TracingMulti(args) => {
            let (ids, cookies) = args.parts();
            arm.tracing_multi.ids = address(ids);
            arm.tracing_multi.cookies = cookies.map_or(0, address);
            arm.tracing_multi.cnt = count(ids.len());
        }
        CreateArgs::UprobeMulti(args) => fill_uprobe_multi(&mut attr, args),
        CreateArgs::Mprog(args) => return create_mprog(&mut attr, args),
        CreateArgs::Iter(args) => return create_iter(&mut attr, args),
        CreateArgs::KprobeMulti(args) => return create_kprobe_multi(&mut attr, args),
    }
    // SAFETY: the arm that is in use has no pointers, but for those to the arrays and the path of
    // `request`: they are borrowed for longer than the call, the arrays are of the length given as
    // `cnt` or longer, and the path ends with a NUL.
    unsafe { create(&mut attr) }
}

fn fill_uprobe_multi(attr: &mut Attr, args: &UprobeMultiArgs<'_>) {
    let (offsets, ref_ctr_offsets, cookies) = args.arrays();
    let arm = &mut attr.target_btf_id_union;
    arm.uprobe_multi.offsets = address(offsets);
    arm.uprobe_multi.ref_ctr_offsets = ref_ctr_offsets.map_or(0, address);
    arm.uprobe_multi.cookies = cookies.map_or(0, address);
    arm.uprobe_multi.cnt = count(offsets.len());
    arm.uprobe_multi.flags = args.flags.bits();
    arm.uprobe_multi.pid = args.pid;
    match args.file {
        UprobeMultiFile::Path(path) => arm.uprobe_multi.path = path.as_ptr() as u64,
        UprobeMultiFile::Fd(file) => {
            arm.uprobe_multi.path_fd = raw(file);
            arm.uprobe_multi.flags = args.flags.bits() | c::BPF_F_UPROBE_MULTI_PATH_FD;
        }
    }
}

fn create_mprog(attr: &mut Attr, args: &MprogArgs<'_>) -> io::Result<LinkFd> {
    const {
        macro_rules! same_place {
            ($($a:ident = $b:ident),+) => {
                $( assert!(
                    offset_of!(Attr, target_btf_id_union.tcx.$a) == offset_of!(Attr, target_btf_id_union.$b.$a)
                ); )+
            };
        }
        same_place!(expected_revision = netkit, expected_revision = cgroup);
        same_place!(relative_fd_union = netkit, relative_fd_union = cgroup);
    }
    let anchor = match args.anchor {
        Some(Anchor::Link(fd) | Anchor::Program(fd)) => Some(NonZeroFd::new(fd)?),
        _ => None,
    };
    let arm = &mut attr.target_btf_id_union;
    arm.tcx.expected_revision = args.expected_revision;
    match (args.anchor, &anchor) {
        (Some(Anchor::LinkId(id)), _) => arm.tcx.relative_fd_union.relative_id = id.get(),
        (Some(Anchor::ProgramId(id)), _) => arm.tcx.relative_fd_union.relative_id = id.get(),
        (_, Some(fd)) => arm.tcx.relative_fd_union.relative_fd = fd.raw(),
        (_, None) => {}
    }
    attr.flags |= args.anchor.map_or(0, Anchor::flags);
    // SAFETY: there are no pointers in the arm.
    unsafe { create(attr) }
}

fn create_iter(attr: &mut Attr, args: &IterArgs<'_>) -> io::Result<LinkFd> {
    let fd = match *args {
        IterArgs::Map(fd)
        | IterArgs::Cgroup {
            cgroup: IterCgroup::Fd(fd),
            ..
        }
        | IterArgs::Task(IterTask::Pidfd(fd)) => Some(NonZeroFd::new(fd)?),
        _ => None,
    };
    let fd = fd.as_ref().map_or(0, NonZeroFd::raw);
    let mut info = zeroed_iter_info();
    match *args {
        IterArgs::Map(_) => info.map.map_fd = fd,
        IterArgs::Cgroup { cgroup, order } => {
            info.cgroup.order = order.as_raw();
            info.cgroup.cgroup_fd = fd;
            if let IterCgroup::Id(id) = cgroup {
                info.cgroup.cgroup_id = id;
            }
        }
        IterArgs::Task(IterTask::Tid(tid)) => info.task.tid = tid,
        IterArgs::Task(IterTask::Pid(pid)) => info.task.pid = pid,
        IterArgs::Task(IterTask::Pidfd(_)) => info.task.pid_fd = fd,
    }
    let arm = &mut attr.target_btf_id_union;
    arm.iter_info_struct.iter_info = (&raw const info) as u64;
    arm.iter_info_struct.iter_info_len = count(size_of_val(&info));
    // SAFETY: the one pointer in the arm is to `info`, which lives until the call is over and has
    // the length given; the kernel only reads it.
    unsafe { create(attr) }
}

fn create_kprobe_multi(attr: &mut Attr, args: &KprobeMultiArgs<'_>) -> io::Result<LinkFd> {
    let (functions, cookies) = args.parts();
    // The kernel wants an array of pointers, and a `&CStr` is more than a pointer.
    let symbols: Vec<*const c_char> = match functions {
        KprobeMultiFunctions::Symbols(symbols) => symbols.iter().map(|s| s.as_ptr()).collect(),
        KprobeMultiFunctions::Addresses(_) => Vec::new(),
    };
    let arm = &mut attr.target_btf_id_union;
    match functions {
        KprobeMultiFunctions::Symbols(_) => arm.kprobe_multi.syms = address(&symbols),
        KprobeMultiFunctions::Addresses(addresses) => arm.kprobe_multi.addrs = address(addresses),
    }
    arm.kprobe_multi.cookies = cookies.map_or(0, address);
    arm.kprobe_multi.cnt = count(functions.len());
    arm.kprobe_multi.flags = args.flags.bits();
    // SAFETY: the pointers in the arm are to `symbols`, which lives until the call is over, and to
    // arrays that `args` borrows for longer; each has as many entries as `cnt` says or more; every
    // symbol is borrowed likewise and ends with a NUL. The kernel only reads them.
    unsafe { create(attr) }
}

/// The address of an array that the kernel reads.
fn address<T>(array: &[T]) -> u64 {
    array.as_ptr() as u64
}

/// A length for the kernel, which may be smaller than the true one, but never larger.
fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// # Safety
///
/// Every pointer in the arm that goes with the attach type is null, or is live for the call and as
/// long as the length that goes with it. The command only reads.
unsafe fn create(attr: &mut Attr) -> io::Result<LinkFd> {
    // SAFETY:
    // - the attr is integers and a union without padding between them; it was all zeros before its
    //   fields were set;
    // - the caller vouches for its pointers;
    // - `BPF_LINK_CREATE` returns a new descriptor.
    unsafe { bpf_fd(c::BPF_LINK_CREATE, attr) }.map(LinkFd::new)
}

pub(super) fn zeroed() -> Attr {
    // SAFETY: the type is integers, and unions of integers: zeros are valid for every field.
    unsafe { mem::zeroed() }
}

fn zeroed_iter_info() -> c::bpf_iter_link_info {
    // SAFETY: the type is a union of integers: zeros are valid for every field.
    unsafe { mem::zeroed() }
}

/// `BPF_RAW_TRACEPOINT_OPEN`.
pub(crate) fn raw_tracepoint_open(request: &RawTracepointOpen<'_>) -> io::Result<LinkFd> {
    let name = request.name().map_or(0, |name: &CStr| name.as_ptr() as u64);
    let mut attr = c::bpf_attr__raw_tracepoint {
        name,
        prog_fd: raw(request.program),
        _bitfield_1: c::__BindgenBitfieldUnit::new([0; 4]),
        cookie: request.cookie,
    };
    // SAFETY:
    // - the attr has no padding, and all of it is initialised;
    // - its only pointer is the name, which is borrowed for longer than the call and ends with a
    //   NUL; the kernel only reads it;
    // - `BPF_RAW_TRACEPOINT_OPEN` returns a new descriptor.
    unsafe { bpf_fd(c::BPF_RAW_TRACEPOINT_OPEN, &mut attr) }.map(LinkFd::new)
}

/// Whether this kernel's `bpf_attr` has the last of the fields that the request uses.
///
/// The kernel looks at the unused part of the attr before it looks up the program, and there is no
/// program with the descriptor that is asked for: so a field that it does not know answers `EINVAL`
/// or `E2BIG`, and one that it knows `EBADF`. Nothing is attached.
pub(crate) fn knows_link_create(args: &CreateArgs<'_>) -> io::Result<bool> {
    macro_rules! word_of {
        ($($field:tt)+) => { offset_of!(Attr, target_btf_id_union.$($field)+) / size_of::<u32>() };
    }
    let last = match args {
        CreateArgs::None => return Ok(true),
        CreateArgs::Tracing(args) if args.cookie == 0 => word_of!(tracing.target_btf_id),
        CreateArgs::Tracing(_) => word_of!(tracing.cookie) + 1,
        CreateArgs::PerfEvent(_) => word_of!(perf_event.bpf_cookie) + 1,
        CreateArgs::Iter(_) => word_of!(iter_info_struct.iter_info_len),
        CreateArgs::KprobeMulti(_) => word_of!(kprobe_multi.cookies) + 1,
        CreateArgs::Netfilter(_) => word_of!(netfilter.flags),
        CreateArgs::Mprog(_) => word_of!(tcx.expected_revision) + 1,
        CreateArgs::UprobeMulti(args) => match args.file {
            UprobeMultiFile::Path(_) => word_of!(uprobe_multi.pid),
            UprobeMultiFile::Fd(_) => word_of!(uprobe_multi.path_fd),
        },
        CreateArgs::TracingMulti(_) => word_of!(tracing_multi.cnt),
    };
    let mut attr = [0; size_of::<Attr>() / size_of::<u32>()];
    let [program, ..] = &mut attr;
    *program = NO_DESCRIPTOR;
    if let Some(last) = attr.get_mut(last) {
        *last = 1;
    }
    // SAFETY:
    // - the attr is an array of integers, all initialised;
    // - what may be read as a pointer is null or no address at all, which the kernel finds out when
    //   it copies from it, and without a program it does not come to that;
    // - `BPF_LINK_CREATE` returns a new descriptor.
    knows(unsafe { bpf_fd(c::BPF_LINK_CREATE, &mut attr) })
}

/// Whether this kernel's `bpf_attr` has the cookie of a raw tracepoint.
pub(crate) fn knows_raw_tracepoint_cookie() -> io::Result<bool> {
    let mut attr = c::bpf_attr__raw_tracepoint {
        name: 0,
        prog_fd: NO_DESCRIPTOR,
        _bitfield_1: c::__BindgenBitfieldUnit::new([0; 4]),
        cookie: 1,
    };
    // SAFETY:
    // - the attr has no padding, all of it is initialised, and its pointer is null;
    // - `BPF_RAW_TRACEPOINT_OPEN` returns a new descriptor.
    knows(unsafe { bpf_fd(c::BPF_RAW_TRACEPOINT_OPEN, &mut attr) })
}

fn knows<T>(answer: io::Result<T>) -> io::Result<bool> {
    match answer {
        Err(error) if error.raw_os_error() == Some(libc::EBADF) => Ok(true),
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::E2BIG)) => Ok(false),
        Err(error) => Err(error),
        Ok(_) => Ok(true),
    }
}
