//! The calls that `bpf-link` makes, with nothing around them: what it is measured against.

mod lent;

use std::ffi::{CStr, c_long};
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

use bpf_link_sys::{
    BPF_LINK_GET_FD_BY_ID, BPF_LINK_GET_NEXT_ID, BPF_LINK_UPDATE, BPF_OBJ_GET,
    BPF_OBJ_GET_INFO_BY_FD, bpf_attr__info, bpf_attr__link_update,
    bpf_attr__link_update__new_prog_fd_union, bpf_attr__link_update__old_prog_fd_union,
    bpf_attr__start_id_struct, bpf_attr__start_id_union, bpf_link_info,
};

pub use lent::{Arrays, ArraysLink, NamedLink};

use super::number;

/// A `bpf_link_info` as bytes, aligned as the kernel's.
pub type InfoWords = [u64; size_of::<bpf_link_info>() / 8];

/// `BPF_OBJ_GET_INFO_BY_FD` without names and arrays; returns what the system call does.
#[inline]
pub fn info(link: BorrowedFd<'_>, info: &mut InfoWords) -> c_long {
    *info = [0; 8];
    // SAFETY: `info` lends no buffer.
    unsafe { get_info(link, info) }
}

/// `BPF_OBJ_GET_INFO_BY_FD`.
///
/// # Safety
///
/// Every buffer that `info` lends, at the place where a link of this kind has it, is live,
/// writable, and as long as the length or count that goes with it.
#[inline]
unsafe fn get_info(link: BorrowedFd<'_>, info: &mut InfoWords) -> c_long {
    let mut attr = bpf_attr__info {
        bpf_fd: number(link),
        info_len: 64,
        info: info.as_mut_ptr() as u64,
    };
    // SAFETY:
    // - the attr is three initialised integers, and its size is the size given;
    // - its one pointer is to `info`, which is live and has the 64 bytes that are given as its
    //   length;
    // - the caller vouches for the buffers that it lends.
    unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_OBJ_GET_INFO_BY_FD,
            &raw mut attr,
            size_of::<bpf_attr__info>(),
        )
    }
}

/// `BPF_LINK_GET_NEXT_ID`; `None` at the end.
#[inline]
#[must_use]
pub fn next_id(start: u32) -> Option<u32> {
    let mut attr = by_id(bpf_attr__start_id_union { start_id: start });
    // SAFETY: the attr is four initialised integers, none of them a pointer, and its size is the
    // size given.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_LINK_GET_NEXT_ID,
            &raw mut attr,
            size_of::<bpf_attr__start_id_struct>(),
        )
    };
    (result == 0).then_some(attr.next_id)
}

/// `BPF_LINK_GET_FD_BY_ID`, `BPF_OBJ_GET_INFO_BY_FD` and `close(2)`; false if the link could not be
/// opened.
#[inline]
pub fn info_by_id(id: u32, words: &mut InfoWords) -> bool {
    let mut attr = by_id(bpf_attr__start_id_union { link_id: id });
    // SAFETY: the attr is four initialised integers, none of them a pointer, and its size is the
    // size given.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_LINK_GET_FD_BY_ID,
            &raw mut attr,
            size_of::<bpf_attr__start_id_struct>(),
        )
    };
    let Ok(fd @ 0..) = RawFd::try_from(fd) else {
        return false;
    };
    // SAFETY: the kernel has just opened `fd`, and it is not closed before the borrow has ended.
    let link = unsafe { BorrowedFd::borrow_raw(fd) };
    let answer = info(link, words);
    // SAFETY: `fd` is open, and nothing borrows it any more.
    unsafe { libc::close(fd) };
    answer == 0
}

/// The attr of `BPF_OBJ_GET` up to the end of its last field.
#[repr(C, packed(4))]
struct PathAttr {
    pathname: u64,
    bpf_fd: u32,
    file_flags: u32,
    path_fd: i32,
}

/// `BPF_OBJ_GET`; `None` if the kernel refuses.
#[inline]
#[must_use]
pub fn open(path: &CStr) -> Option<OwnedFd> {
    let mut attr = PathAttr {
        pathname: path.as_ptr() as u64,
        bpf_fd: 0,
        file_flags: 0,
        path_fd: 0,
    };
    // SAFETY:
    // - the attr is four initialised integers without padding, and its size is the size given;
    // - its one pointer is to `path`, which is live and ends with a NUL.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_OBJ_GET,
            &raw mut attr,
            size_of::<PathAttr>(),
        )
    };
    let fd @ 0.. = RawFd::try_from(fd).ok()? else {
        return None;
    };
    // SAFETY: the kernel has just made this descriptor, and nobody else knows its number.
    Some(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// `BPF_LINK_UPDATE`; returns what the system call does.
#[inline]
#[must_use]
pub fn update(link: BorrowedFd<'_>, new: BorrowedFd<'_>) -> c_long {
    let mut attr = bpf_attr__link_update {
        link_fd: number(link),
        new_prog_fd_union: bpf_attr__link_update__new_prog_fd_union {
            new_prog_fd: number(new),
        },
        flags: 0,
        old_prog_fd_union: bpf_attr__link_update__old_prog_fd_union { old_prog_fd: 0 },
    };
    // SAFETY: the attr is four initialised integers, none of them a pointer, and its size is the
    // size given.
    unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_LINK_UPDATE,
            &raw mut attr,
            size_of::<bpf_attr__link_update>(),
        )
    }
}

#[inline]
fn by_id(start_id_union: bpf_attr__start_id_union) -> bpf_attr__start_id_struct {
    bpf_attr__start_id_struct {
        start_id_union,
        next_id: 0,
        open_flags: 0,
        fd_by_id_token_fd: 0,
    }
}
