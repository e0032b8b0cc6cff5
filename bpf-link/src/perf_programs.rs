//! Which programs are on a perf event, or on its tracepoint, with a link or without one.

use std::os::fd::AsFd;

use crate::error::{Command, CommandError, Result, Target};
use crate::id::ProgramId;
use crate::sys;

/// The program that runs on the perf event of a tracepoint, kprobe or uprobe; `None` if no program
/// is attached. For the descriptor of a raw tracepoint link, the link's program.
///
/// # Errors
///
/// - [`PermissionDenied`](crate::Error::PermissionDenied) (`EPERM`): the caller lacks
///   `CAP_SYS_ADMIN`.
/// - [`Command`](crate::Error::Command) with
///   - `EOPNOTSUPP`: the event runs a program of type `perf_event`, which the kernel does not
///     report;
///   - [`ENOTSUPP`](crate::Error::errno) (number 524): the descriptor is not a perf event.
///
/// # Kernel
///
/// `BPF_TASK_FD_QUERY`, since Linux 4.18; it ends in `bpf_get_perf_event_info` (7.3).
pub fn perf_event_program(event: &(impl AsFd + ?Sized)) -> Result<Option<ProgramId>> {
    match sys::task_fd_query(event.as_fd()) {
        Ok(id) => Ok(ProgramId::new(id)),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(source) => {
            Err(CommandError::new(Command::TaskFdQuery, Target::Descriptor, source).classify())
        }
    }
}

/// All programs on the tracepoint of a perf event, in the order in which they run, no matter which
/// event each was attached through.
///
/// # Errors
///
/// - [`PermissionDenied`](crate::Error::PermissionDenied) (`EPERM`): the caller lacks
///   `CAP_PERFMON`.
/// - [`Command`](crate::Error::Command) with
///   - `EINVAL`: the event is not that of a tracepoint;
///   - `ENOTTY`: the descriptor is not a perf event.
///
/// # Kernel
///
/// `ioctl(2)` with `PERF_EVENT_IOC_QUERY_BPF`, since Linux 4.16; it ends in
/// `perf_event_query_prog_array` (7.3).
pub fn tracepoint_programs(event: &(impl AsFd + ?Sized)) -> Result<Vec<ProgramId>> {
    match sys::perf_event_query_bpf(event.as_fd()) {
        Ok(ids) => Ok(ids.into_iter().filter_map(ProgramId::new).collect()),
        Err(source) => {
            let command = Command::PerfEventQueryBpf;
            Err(CommandError::new(command, Target::Descriptor, source).classify())
        }
    }
}
