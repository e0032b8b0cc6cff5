//! `kcmp(2)`: what two threads have in common.

use std::ffi::{c_int, c_long};
use std::io;

/// `KCMP_FILES` of the kernel's `enum kcmp_type`.
const FILES: c_int = 2;

/// Whether two threads have one table of descriptors.
pub(crate) fn share_descriptors(one: u32, other: u32) -> io::Result<bool> {
    // SAFETY: of this sort, the call takes numbers only.
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
    // Where the tables are two, it says which comes first.
    if order < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(order == 0)
    }
}
