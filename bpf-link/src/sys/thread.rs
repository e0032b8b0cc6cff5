//! What a thread is and where it is: `gettid(2)`, `geteuid(2)`, `setns(2)`, and `kcmp(2)`, whether
//! two threads share something.

use std::ffi::{c_int, c_long};
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

/// `KCMP_FILES` of the kernel's `enum kcmp_type`.
const FILES: c_int = 2;

/// Whether two threads share one table of descriptors.
pub(crate) fn share_descriptors(one: u32, other: u32) -> io::Result<bool> {
    // SAFETY: with `KCMP_FILES`, the call takes only numbers.
    let order = unsafe {
        libc::syscall(
            libc::SYS_kcmp,
            c_long::from(one),
            c_long::from(other),
            FILES,
            0_u64,
            0_u64,
        )
    };
    // If they have two tables, the result says which one sorts first.
    if order < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(order == 0)
    }
}

/// `gettid(2)`: the id of the calling thread.
pub(super) fn this_thread() -> u32 {
    // SAFETY: the call takes nothing, and cannot fail.
    unsafe { libc::gettid() }.unsigned_abs()
}

/// `geteuid(2)`: the user as whom the calling thread acts.
pub(crate) fn effective_user() -> u32 {
    // SAFETY: the call takes nothing, and cannot fail.
    unsafe { libc::geteuid() }
}

/// `setns(2)`: moves the calling thread into a network namespace.
pub(crate) fn enter_netns(netns: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the call takes two numbers; what the thread has open stays as it is.
    if unsafe { libc::setns(netns.as_raw_fd(), libc::CLONE_NEWNET) } < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
