//! `perf_event_open(2)` and what goes with it.

use std::ffi::{c_int, c_long};
use std::io;
use std::mem;
use std::os::fd::{BorrowedFd, FromRawFd as _, OwnedFd};

use bpf_link_sys as c;

use super::len_of;
use crate::args::{Inherit, PerfEventConfig, ProbeAt, Sample};

/// `perf_event_open(2)` without a group.
pub(crate) fn perf_event_open(config: &PerfEventConfig<'_>) -> io::Result<OwnedFd> {
    const NO_GROUP: c_int = -1;
    let mut attr = zeroed();
    attr.type_ = config.event_type;
    attr.size = len_of::<c::perf_event_attr>();
    attr.config = config.config;
    match config.sample {
        Sample::Period(events) => attr.sample_period_union.sample_period = events,
        Sample::Frequency(hertz) => {
            attr.sample_period_union.sample_freq = hertz;
            attr.set_freq(1);
        }
    }
    match config.probe {
        None => {}
        Some(ProbeAt::Named(name, offset)) => {
            attr.bp_addr_union.kprobe_func = name.as_ptr() as u64;
            attr.bp_len_union.probe_offset = offset;
        }
        Some(ProbeAt::Address(address)) => attr.bp_len_union.kprobe_addr = address,
    }
    attr.set_inherit(u64::from(config.inherit != Inherit::Nothing));
    attr.set_inherit_thread(u64::from(config.inherit == Inherit::Threads));
    // SAFETY:
    // - the attr was all zeros before its fields were set, and its `size` says how long it is;
    // - its only pointer is the name, which is borrowed for longer than the call and ends with a
    //   NUL; the kernel only reads it.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw mut attr,
            config.process,
            config.processor,
            NO_GROUP,
            c_long::from(c::PERF_FLAG_FD_CLOEXEC),
        )
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    let fd = i32::try_from(fd).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
    // SAFETY: the call succeeded, so `fd` is a new descriptor; nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// `PERF_EVENT_IOC_ENABLE`.
pub(crate) fn perf_event_enable(event: BorrowedFd<'_>) -> io::Result<()> {
    ioctl(event, c::PERF_EVENT_IOC_ENABLE)
}

/// `PERF_EVENT_IOC_DISABLE`.
pub(crate) fn perf_event_disable(event: BorrowedFd<'_>) -> io::Result<()> {
    ioctl(event, c::PERF_EVENT_IOC_DISABLE)
}

fn ioctl(event: BorrowedFd<'_>, request: u32) -> io::Result<()> {
    const NO_FLAGS: *mut () = std::ptr::null_mut();
    // SAFETY: the argument is a number, not a pointer, for each request that is passed here.
    unsafe { super::ioctl(event, request.into(), NO_FLAGS) }
}

fn zeroed() -> c::perf_event_attr {
    // SAFETY: the type is integers, and unions of integers: zeros are valid for every field.
    unsafe { mem::zeroed() }
}
