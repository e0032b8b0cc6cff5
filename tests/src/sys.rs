//! The system calls of the tests: the only module of this crate with unsafe code.
//!
//! Nothing here goes through `bpf-link`. What the library is tested with, and the evidence that it
//! is held against, must not come from the library.

mod attach;
pub mod bare;
mod code;
mod fork;
mod load;
mod map;
mod namespace;
mod object;
mod packet;
mod perf;
mod trace;

use std::ffi::{c_char, c_int};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use bpf_link_sys::{BPF_LINK_CREATE, bpf_attr, bpf_cmd};

pub use attach::{
    LinkTarget, effective_programs, hook_revision, link_create, prog_attach, prog_detach,
    prog_query, prog_test_run, raw_tracepoint_open,
};
pub use code::MappedElf;
pub use fork::{Forked, fork, pause_for_ever};
pub use load::{ProgramLoad, btf_load, prog_load};
pub use map::{MapCreate, map_create, map_delete, map_lookup, map_update};
pub use namespace::{end_this_thread, unshare, with_own_descriptors};
pub use object::{
    IdSpace, fd_by_id, link_info, link_info_bytes, map_info, next_id, obj_get, obj_get_with,
    obj_pin, prog_info,
};
pub use packet::packet_socket;
pub use perf::{PerfConfig, perf_disable, perf_enable, perf_event_open, perf_set_bpf};
pub use trace::{interrupt, system_call_ahead, to_next_system_call, trace};

/// A `bpf_attr` of which every byte is zero, padding included.
fn zeroed_attr() -> bpf_attr {
    // SAFETY: every arm of `bpf_attr` is made of integers and arrays of integers, for which zeros
    // are valid values.
    unsafe { std::mem::zeroed() }
}

/// Calls `bpf(2)` and gives back what it returned.
///
/// # Safety
///
/// Every pointer that `command` reads out of `attr` is null, or points to memory that is live
/// during the call, is as long as `attr` says, and may be written where the command writes.
unsafe fn bpf(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<c_int> {
    // SAFETY:
    // - `attr` points to a live, writable `bpf_attr`, and the size that is passed is its size: the
    //   kernel touches nothing past it.
    // - The caller vouches for the pointers inside.
    let returned = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_mut(attr),
            size_of::<bpf_attr>(),
        )
    };
    if returned < 0 {
        return Err(io::Error::last_os_error());
    }
    c_int::try_from(returned).map_err(io::Error::other)
}

/// Calls `bpf(2)` with an attr that is longer than the kernel reads any.
///
/// # Errors
///
/// What the kernel answered, before it has read anything: `E2BIG`.
pub fn bpf_with_a_long_attr() -> io::Result<()> {
    const LONGER_THAN_A_PAGE: usize = 1 << 20;
    let attr = std::ptr::null::<bpf_attr>();
    // SAFETY: nothing can be read or written at null: the kernel would answer `EFAULT`.
    let returned =
        unsafe { libc::syscall(libc::SYS_bpf, BPF_LINK_CREATE, attr, LONGER_THAN_A_PAGE) };
    if returned < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Calls `bpf(2)` with a command that returns a new file descriptor.
///
/// # Safety
///
/// As [`bpf`], and `command` returns a new file descriptor where it succeeds.
unsafe fn bpf_fd(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<OwnedFd> {
    // SAFETY: the caller vouches for the pointers inside `attr`.
    let fd = unsafe { bpf(command, attr) }?;
    // SAFETY: the kernel has just made this descriptor, says the caller, and nobody else knows its
    // number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The number of a descriptor in the type of most fields of `bpf_attr`.
#[expect(
    clippy::cast_sign_loss,
    reason = "the number of an open descriptor is not negative"
)]
fn number(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd() as u32
}

/// The address of what a pointer field of `bpf_attr` is to point to; null for an empty slice.
fn address<T>(slice: &[T]) -> u64 {
    if slice.is_empty() {
        0
    } else {
        slice.as_ptr() as u64
    }
}

/// As [`address`], for what the kernel writes to.
fn address_mut<T>(slice: &mut [T]) -> u64 {
    if slice.is_empty() {
        0
    } else {
        slice.as_mut_ptr() as u64
    }
}

/// The length of a slice in the type of the length fields.
fn length<T>(slice: &[T]) -> io::Result<u32> {
    u32::try_from(slice.len()).map_err(|_| io::ErrorKind::InvalidInput.into())
}

/// The name of an object as `bpf_attr` has it: the first 15 bytes, then NULs.
fn object_name(name: &str) -> [c_char; 16] {
    let mut array = [0; 16];
    for (slot, byte) in array.iter_mut().zip(name.bytes().take(15)) {
        *slot = c_char::from_ne_bytes([byte]);
    }
    array
}
