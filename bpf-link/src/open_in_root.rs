//! Files below another root directory, such as that of a container.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::error::{Command, CommandError, Error, Result, Target};
use crate::sys;

/// Opens the file at this path for reading, as a process whose root directory is `root` finds it:
/// no `..` and no symbolic link leads out of it.
///
/// The root is a directory such as `/proc/PID/root`, and stays the caller's. A FIFO or a device is
/// opened as well, without waiting.
///
/// # Errors
///
/// - [`PathHasNul`](Error::PathHasNul).
/// - [`PermissionDenied`](Error::PermissionDenied) (`EACCES`).
/// - [`Command`](Error::Command) with `ENOENT` (there is no such file), `ENOTDIR` (the root or a
///   part of the path is not a directory), `ELOOP` (too many symbolic links, or one of procfs that
///   leads elsewhere), `EAGAIN` (again and again something was renamed or mounted meanwhile), or
///   `ENOSYS` (before Linux 5.6).
///
/// # Kernel
///
/// `openat2(2)` with `RESOLVE_IN_ROOT`, since Linux 5.6.
pub fn open_in_root(root: &(impl AsFd + ?Sized), path: impl AsRef<Path>) -> Result<OwnedFd> {
    let path = path.as_ref();
    let c_path = CString::new(path.as_os_str().as_bytes()).map_err(|_| Error::PathHasNul {
        path: path.to_owned(),
    })?;
    sys::open_in_root(root.as_fd(), &c_path).map_err(|source| {
        let target = Target::Path(path.to_owned());
        CommandError::new(Command::OpenInRoot, target, source).classify()
    })
}
