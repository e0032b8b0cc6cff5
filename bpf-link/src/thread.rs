//! Whether threads share their descriptors, for tools that look for the processes that hold a link.

use crate::error::{Command, CommandError, Result, Target};
use crate::sys;

/// Whether two threads share one table of descriptors. The ids are those of the caller's PID
/// namespace.
///
/// The threads of a process share one, unless a thread has ended or called `unshare(2)` with
/// `CLONE_FILES`. A tool that looks for the holders of a link reads `/proc/PID/task/TID/fd` once
/// for each table.
///
/// # Errors
///
/// - [`Error::PermissionDenied`](crate::Error::PermissionDenied) (`EPERM`): the caller may not look
///   into one of them, for want of `CAP_SYS_PTRACE`.
/// - [`Error::Command`](crate::Error::Command) with `ESRCH` (there is no such thread), or `ENOSYS`
///   (the kernel is built without).
///
/// # Kernel
///
/// `kcmp(2)` with `KCMP_FILES`, since Linux 3.5, where the kernel has it (`CONFIG_KCMP`).
pub fn share_descriptors(one: u32, other: u32) -> Result<bool> {
    sys::share_descriptors(one, other).map_err(|source| {
        CommandError::new(Command::CompareDescriptors, Target::Thread(other), source).classify()
    })
}
