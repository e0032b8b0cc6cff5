//! Opening a file below another root directory.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

/// `openat2(2)` for reading, with `RESOLVE_IN_ROOT`; does not wait for the other end of a FIFO.
///
/// While anything on the machine is renamed or mounted, the kernel cannot tell whether a `..` leads
/// out of the root, and asks for another attempt (`EAGAIN`).
pub(crate) fn open_in_root(root: BorrowedFd<'_>, path: &CStr) -> io::Result<OwnedFd> {
    const ATTEMPTS: u32 = 1000;
    for _ in 1..ATTEMPTS {
        match attempt(root, path) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::yield_now(),
            opened => return opened,
        }
    }
    attempt(root, path)
}

fn attempt(root: BorrowedFd<'_>, path: &CStr) -> io::Result<OwnedFd> {
    const RESOLVE_IN_ROOT: u64 = 0x10;
    const FLAGS: i32 = libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY;
    // `struct open_how`: flags, mode, resolve.
    let how = [FLAGS as u64, 0, RESOLVE_IN_ROOT];
    // SAFETY: the path is live for the call and ends with a NUL; `how` is live for the call, has
    // the size given and no padding. The kernel only reads both.
    let result = unsafe {
        libc::syscall(
            libc::SYS_openat2,
            root.as_raw_fd(),
            path.as_ptr(),
            how.as_ptr(),
            size_of_val(&how),
        )
    };
    match i32::try_from(result) {
        // SAFETY: the call succeeded, so this is a new descriptor, which nothing else owns.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}
