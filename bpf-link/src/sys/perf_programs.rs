//! The programs of a perf event: `BPF_TASK_FD_QUERY`, and `ioctl(2)` with
//! `PERF_EVENT_IOC_QUERY_BPF`.

use std::io;
use std::mem::offset_of;
use std::os::fd::BorrowedFd;

use bpf_link_sys as c;

use super::thread::this_thread;
use super::{bpf, ioctl, raw};

/// `bpf_attr__task_fd_query`, which has no padding.
#[derive(Default)]
#[repr(C)]
struct QueryAttr {
    pid: u32,
    fd: u32,
    flags: u32,
    buf_len: u32,
    buf: u64,
    prog_id: u32,
    fd_type: u32,
    probe_offset: u64,
    probe_addr: u64,
}

const _: () = {
    use c::bpf_attr__task_fd_query as Kernel;
    assert!(offset_of!(QueryAttr, pid) == offset_of!(Kernel, pid));
    assert!(offset_of!(QueryAttr, fd) == offset_of!(Kernel, fd));
    assert!(offset_of!(QueryAttr, buf_len) == offset_of!(Kernel, buf_len));
    assert!(offset_of!(QueryAttr, prog_id) == offset_of!(Kernel, prog_id));
    assert!(size_of::<QueryAttr>() == size_of::<Kernel>());
};

/// As many programs as a tracepoint can have: `BPF_TRACE_MAX_PROGS`, beyond which the kernel
/// refuses the request.
const MOST: u32 = 64;

/// `perf_event_query_bpf` with room for all programs.
#[repr(C)]
struct Programs {
    ids_len: u32,
    prog_cnt: u32,
    ids: [u32; MOST as usize],
}

const _: () = {
    use c::perf_event_query_bpf as Kernel;
    assert!(offset_of!(Programs, ids_len) == offset_of!(Kernel, ids_len));
    assert!(offset_of!(Programs, prog_cnt) == offset_of!(Kernel, prog_cnt));
    assert!(offset_of!(Programs, ids) == offset_of!(Kernel, ids));
};

/// `BPF_TASK_FD_QUERY`: the id of the program that this perf event runs.
pub(crate) fn task_fd_query(event: BorrowedFd<'_>) -> io::Result<u32> {
    let mut attr = QueryAttr {
        // A thread may have a table of descriptors of its own.
        pid: this_thread(),
        fd: raw(event),
        ..QueryAttr::default()
    };
    // SAFETY: the attr is integers without padding, all initialised, and its pointer is null.
    unsafe { bpf(c::BPF_TASK_FD_QUERY, &mut attr) }?;
    Ok(attr.prog_id)
}

/// `PERF_EVENT_IOC_QUERY_BPF`: the ids of the programs that are on the event's tracepoint.
pub(crate) fn perf_event_query_bpf(event: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    let mut programs = Programs {
        ids_len: MOST,
        prog_cnt: 0,
        ids: [0; MOST as usize],
    };
    let request = c::PERF_EVENT_IOC_QUERY_BPF.into();
    // SAFETY: the argument points to a `perf_event_query_bpf` that lives until the call is over,
    // and has room for as many ids as its `ids_len` says.
    unsafe { ioctl(event, request, &raw mut programs) }?;
    let count = usize::try_from(programs.prog_cnt).unwrap_or(usize::MAX);
    Ok(programs.ids.into_iter().take(count).collect())
}
