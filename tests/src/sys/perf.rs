//! Perf events.

use std::ffi::{CStr, c_int, c_long};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use bpf_link_sys::{
    PERF_EVENT_IOC_DISABLE, PERF_EVENT_IOC_ENABLE, PERF_EVENT_IOC_SET_BPF, perf_event_attr,
};

use super::address;

/// What `perf_event_open(2)` is told of an event.
#[derive(Debug, Clone, Copy)]
pub struct PerfConfig<'a> {
    /// `PERF_TYPE_*`, or the number of a PMU from sysfs.
    pub event_type: u32,
    /// What of that type.
    pub config: u64,
    /// The function of a kprobe, the file of a uprobe.
    pub name: Option<&'a CStr>,
    /// The offset in the function or the file.
    pub offset: u64,
    /// After how many events a sample is taken; 0 for never.
    pub sample_period: u64,
}

/// `perf_event_open(2)` of an event that is enabled and counts the calling thread, on whatever
/// processor it runs.
///
/// # Errors
///
/// What the kernel answered.
pub fn perf_event_open(event: &PerfConfig<'_>) -> io::Result<OwnedFd> {
    const THIS_THREAD: c_int = 0;
    const ANY_PROCESSOR: c_int = -1;
    const NO_GROUP: c_int = -1;
    const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 8;

    // SAFETY: `perf_event_attr` is made of integers, for which zeros are valid values.
    let mut attr: perf_event_attr = unsafe { std::mem::zeroed() };
    attr.type_ = event.event_type;
    attr.size = u32::try_from(size_of::<perf_event_attr>()).map_err(io::Error::other)?;
    attr.config = event.config;
    attr.sample_period_union.sample_period = event.sample_period;
    attr.bp_addr_union.kprobe_func = event
        .name
        .map_or(0, |name| address(name.to_bytes_with_nul()));
    attr.bp_len_union.probe_offset = event.offset;
    // SAFETY:
    // - `attr` points to a live `perf_event_attr`, and its `size` field says so.
    // - Its only pointer, which the two kinds of probe read, is null or points to a string with its
    //   NUL that outlives the call.
    let fd: c_long = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            std::ptr::from_mut(&mut attr),
            THIS_THREAD,
            ANY_PROCESSOR,
            NO_GROUP,
            PERF_FLAG_FD_CLOEXEC,
        )
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    let fd = c_int::try_from(fd).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made this descriptor, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Lets an event count.
///
/// # Errors
///
/// What the kernel answered.
pub fn perf_enable(event: BorrowedFd<'_>) -> io::Result<()> {
    ioctl(event, PERF_EVENT_IOC_ENABLE, 0)
}

/// Stops an event.
///
/// # Errors
///
/// What the kernel answered.
pub fn perf_disable(event: BorrowedFd<'_>) -> io::Result<()> {
    ioctl(event, PERF_EVENT_IOC_DISABLE, 0)
}

/// Lets an event run a program, without a link.
///
/// # Errors
///
/// What the kernel answered.
pub fn perf_set_bpf(event: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    ioctl(event, PERF_EVENT_IOC_SET_BPF, program.as_raw_fd())
}

/// An `ioctl(2)` whose argument is a number.
fn ioctl(event: BorrowedFd<'_>, request: u32, argument: c_int) -> io::Result<()> {
    // SAFETY: none of the requests that come here takes its argument for a pointer.
    let returned = unsafe { libc::ioctl(event.as_raw_fd(), request.into(), argument) };
    if returned < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
