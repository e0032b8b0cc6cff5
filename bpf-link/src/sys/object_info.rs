//! `BPF_OBJ_GET_INFO_BY_FD` of what is no link: programs and maps.

use std::io;
use std::os::fd::BorrowedFd;

use bpf_link_sys as c;

use super::{NO_DESCRIPTOR, bpf, len_of, raw};

/// Room for the info of any object: a program's is the longest.
const ROOM: usize = size_of::<c::bpf_prog_info>();

/// The bytes of an object's info, as far as the kernel has written them.
#[derive(Debug)]
#[repr(C, align(8))]
pub(crate) struct ObjectInfo {
    bytes: [u8; ROOM],
    len: usize,
}

impl ObjectInfo {
    /// The bytes from this offset; `None` if the kernel has not written all of them.
    pub(crate) fn bytes_at<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let written = self.bytes.get(..self.len)?;
        written.get(offset..)?.first_chunk().copied()
    }

    /// The 32-bit field at this offset; 0 if the kernel has not written it.
    pub(crate) fn u32_at(&self, offset: usize) -> u32 {
        u32::from_ne_bytes(self.bytes_at(offset).unwrap_or_default())
    }

    /// The 64-bit field at this offset; 0 if the kernel has not written it.
    pub(crate) fn u64_at(&self, offset: usize) -> u64 {
        u64::from_ne_bytes(self.bytes_at(offset).unwrap_or_default())
    }
}

/// What the kernel says about an object, without arrays.
fn object_info(object: BorrowedFd<'_>) -> io::Result<ObjectInfo> {
    let mut info = ObjectInfo {
        bytes: [0; ROOM],
        len: 0,
    };
    let mut attr = c::bpf_attr__info {
        bpf_fd: raw(object),
        info_len: len_of::<c::bpf_prog_info>(),
        info: info.bytes.as_mut_ptr() as u64,
    };
    // SAFETY:
    // - the attr is three initialised integers without padding;
    // - its only pointer is to `info.bytes`, which are live for the call, as long as `info_len` says, and ours to write;
    //   they are zeros, so whatever the object is, there is no pointer in them for the kernel to follow.
    unsafe { bpf(c::BPF_OBJ_GET_INFO_BY_FD, &mut attr) }?;
    info.len = attr.info_len as usize;
    Ok(info)
}

/// What the kernel says about a program; `None` if it is none.
pub(crate) fn prog_info(program: BorrowedFd<'_>) -> io::Result<Option<ObjectInfo>> {
    if is_program(program)? {
        object_info(program).map(Some)
    } else {
        Ok(None)
    }
}

/// No program and no map has a shorter info, since Linux 4.19. Everything else has: a link 64 bytes at most.
pub(super) const SHORTEST: usize = 80;

const _: () = assert!(size_of::<c::bpf_link_info>() < SHORTEST);
const _: () = assert!(size_of::<c::bpf_btf_info>() < SHORTEST);

/// What the kernel says about a map; `None` if it is none.
///
/// No command tells a map from every other object without an effect. But the infos of others are shorter, except for those
/// of programs.
pub(crate) fn map_info(map: BorrowedFd<'_>) -> io::Result<Option<ObjectInfo>> {
    match object_info(map) {
        Ok(info) => Ok((info.len >= SHORTEST && !is_program(map)?).then_some(info)),
        // Not an object of BPF at all.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a file descriptor is a program, without procfs and without an effect.
///
/// The kernel looks up the program before the map that it is asked to bind to it, and there is no descriptor with the
/// number of that map: so a program answers `EBADF`, and any other object `EINVAL`.
pub(crate) fn is_program(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let mut attr = c::bpf_attr__prog_bind_map {
        prog_fd: raw(fd),
        map_fd: NO_DESCRIPTOR,
        flags: 0,
    };
    // SAFETY: the attr is three initialised integers without padding, none of them a pointer.
    match unsafe { bpf(c::BPF_PROG_BIND_MAP, &mut attr) } {
        Err(error) if error.raw_os_error() == Some(libc::EBADF) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(false),
        Err(error) => Err(error),
        Ok(_) => Ok(false),
    }
}
