//! What threads have in common, for whoever looks for the holders of links.

use crate::error::{Command, CommandError, Result, Target};
use crate::sys;

/// Whether two threads, by their ids in the caller's PID namespace, have one table of descriptors.
///
/// The threads of a process have, unless one of them has called `unshare(2)` with `CLONE_FILES`, or
/// has ended. Who looks for those that hold a link has to read `/proc/PID/task/TID/fd` of each
/// table, and need not read one twice.
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
