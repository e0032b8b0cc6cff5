//! The commands on a link that exists.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use bpf_link_sys as c;

use super::{NO_DESCRIPTOR, NonZeroFd, bpf, bpf_fd, raw};

/// `BPF_LINK_UPDATE`: `new` takes the place of the link's program or map.
pub(crate) fn link_update(
    link: BorrowedFd<'_>,
    new: BorrowedFd<'_>,
    old: Option<BorrowedFd<'_>>,
    flags: u32,
) -> io::Result<()> {
    let old = old.map(NonZeroFd::new).transpose()?;
    update(
        raw(link),
        raw(new),
        old.as_ref().map_or(0, NonZeroFd::raw),
        flags,
    )
}

/// Whether a file descriptor is a link, without procfs and without an effect.
///
/// The kernel looks up the link before the program, and there is no descriptor with the number of
/// the program that is asked for: so a link answers `EBADF`, and any other object `EINVAL`.
pub(crate) fn is_link(fd: BorrowedFd<'_>) -> io::Result<bool> {
    match update(raw(fd), NO_DESCRIPTOR, 0, 0) {
        Err(error) if error.raw_os_error() == Some(libc::EBADF) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(false),
        Err(error) => Err(error),
        Ok(()) => Ok(false),
    }
}

fn update(link: u32, new: u32, old: u32, flags: u32) -> io::Result<()> {
    let mut attr = c::bpf_attr__link_update {
        link_fd: link,
        new_prog_fd_union: c::bpf_attr__link_update__new_prog_fd_union { new_prog_fd: new },
        flags,
        old_prog_fd_union: c::bpf_attr__link_update__old_prog_fd_union { old_prog_fd: old },
    };
    // SAFETY: the attr is four initialised integers without padding, none of them a pointer.
    unsafe { bpf(c::BPF_LINK_UPDATE, &mut attr) }.map(drop)
}

/// `BPF_LINK_DETACH`: takes the link off its hook.
pub(crate) fn link_detach(link: BorrowedFd<'_>) -> io::Result<()> {
    let mut attr = c::bpf_attr__link_detach { link_fd: raw(link) };
    // SAFETY: the attr is one initialised integer, not a pointer.
    unsafe { bpf(c::BPF_LINK_DETACH, &mut attr) }.map(drop)
}

/// `BPF_ITER_CREATE`: a new run of an iterator.
pub(crate) fn iter_create(link: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut attr = c::bpf_attr__iter_create {
        link_fd: raw(link),
        flags: 0,
    };
    // SAFETY:
    // - the attr is two initialised integers without padding, neither of them a pointer;
    // - `BPF_ITER_CREATE` returns a new descriptor.
    unsafe { bpf_fd(c::BPF_ITER_CREATE, &mut attr) }
}
