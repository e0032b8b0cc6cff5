//! The commands that find objects by their ids.

use std::io;
use std::os::fd::OwnedFd;

use bpf_link_sys as c;

use super::{LinkFd, bpf, bpf_fd};

/// `BPF_LINK_GET_NEXT_ID`: the smallest id above this one.
pub(crate) fn link_get_next_id(start: u32) -> io::Result<u32> {
    let mut attr = attr(start);
    // SAFETY: the attr is four initialised integers without padding, none of them a pointer.
    unsafe { bpf(c::BPF_LINK_GET_NEXT_ID, &mut attr) }?;
    Ok(attr.next_id)
}

/// `BPF_LINK_GET_FD_BY_ID`: opens the link with this id.
pub(crate) fn link_get_fd_by_id(id: u32) -> io::Result<LinkFd> {
    // SAFETY:
    // - the attr is four initialised integers without padding, none of them a pointer;
    // - `BPF_LINK_GET_FD_BY_ID` returns a new descriptor.
    let fd = unsafe { bpf_fd(c::BPF_LINK_GET_FD_BY_ID, &mut attr(id)) }?;
    Ok(LinkFd::with_id(fd, id))
}

/// `BPF_MAP_GET_NEXT_ID`: the smallest id of a map above this one.
pub(crate) fn map_get_next_id(start: u32) -> io::Result<u32> {
    let mut attr = attr(start);
    // SAFETY: the attr is four initialised integers without padding, none of them a pointer.
    unsafe { bpf(c::BPF_MAP_GET_NEXT_ID, &mut attr) }?;
    Ok(attr.next_id)
}

/// `BPF_PROG_GET_FD_BY_ID`: opens the program with this id.
pub(crate) fn prog_get_fd_by_id(id: u32) -> io::Result<OwnedFd> {
    // SAFETY:
    // - the attr is four initialised integers without padding, none of them a pointer;
    // - `BPF_PROG_GET_FD_BY_ID` returns a new descriptor.
    unsafe { bpf_fd(c::BPF_PROG_GET_FD_BY_ID, &mut attr(id)) }
}

/// `BPF_MAP_GET_FD_BY_ID`: opens the map with this id.
pub(crate) fn map_get_fd_by_id(id: u32) -> io::Result<OwnedFd> {
    // SAFETY:
    // - the attr is four initialised integers without padding, none of them a pointer;
    // - `BPF_MAP_GET_FD_BY_ID` returns a new descriptor.
    unsafe { bpf_fd(c::BPF_MAP_GET_FD_BY_ID, &mut attr(id)) }
}

/// `BPF_BTF_GET_FD_BY_ID`: opens the BTF object with this id.
pub(super) fn btf_get_fd_by_id(id: u32) -> io::Result<OwnedFd> {
    // SAFETY:
    // - the attr is four initialised integers without padding, none of them a pointer;
    // - `BPF_BTF_GET_FD_BY_ID` returns a new descriptor.
    unsafe { bpf_fd(c::BPF_BTF_GET_FD_BY_ID, &mut attr(id)) }
}

/// What all of them take: the id under whichever name.
fn attr(start_id: u32) -> c::bpf_attr__start_id_struct {
    c::bpf_attr__start_id_struct {
        start_id_union: c::bpf_attr__start_id_union { start_id },
        next_id: 0,
        open_flags: 0,
        fd_by_id_token_fd: 0,
    }
}
