//! The commands that make and open pins.

use std::ffi::CStr;
use std::io;
use std::mem::offset_of;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use bpf_link_sys as c;

use super::{bpf, bpf_fd, raw};

/// The kernel's arm of `bpf_attr` without the padding at its end, which the kernel wants to be
/// zero.
#[repr(C, packed(4))]
struct Attr {
    pathname: u64,
    bpf_fd: u32,
    file_flags: u32,
    path_fd: i32,
}

const _: () = {
    use c::bpf_attr__pathname_struct as Kernel;
    assert!(offset_of!(Attr, pathname) == offset_of!(Kernel, pathname));
    assert!(offset_of!(Attr, bpf_fd) == offset_of!(Kernel, bpf_fd));
    assert!(offset_of!(Attr, file_flags) == offset_of!(Kernel, file_flags));
    assert!(offset_of!(Attr, path_fd) == offset_of!(Kernel, path_fd));
    assert!(size_of::<Attr>() == offset_of!(Kernel, path_fd) + size_of::<i32>());
};

/// `BPF_OBJ_PIN`: makes a pin at `path`, seen from `dir` or from the working directory.
pub(crate) fn obj_pin(
    object: BorrowedFd<'_>,
    dir: Option<BorrowedFd<'_>>,
    path: &CStr,
) -> io::Result<()> {
    let mut attr = Attr {
        bpf_fd: raw(object),
        ..at(dir, path)
    };
    // SAFETY:
    // - the attr has no padding, and all of it is initialised;
    // - its only pointer is `path`, which is live for the call and ends with a NUL; the kernel only
    //   reads it.
    unsafe { bpf(c::BPF_OBJ_PIN, &mut attr) }.map(drop)
}

/// `BPF_OBJ_GET`: opens what is pinned at `path`, seen from `dir` or from the working directory.
pub(crate) fn obj_get(dir: Option<BorrowedFd<'_>>, path: &CStr) -> io::Result<OwnedFd> {
    let mut attr = at(dir, path);
    // SAFETY:
    // - the attr has no padding, and all of it is initialised;
    // - its only pointer is `path`, which is live for the call and ends with a NUL; the kernel only
    //   reads it;
    // - `BPF_OBJ_GET` returns a new descriptor.
    unsafe { bpf_fd(c::BPF_OBJ_GET, &mut attr) }
}

fn at(dir: Option<BorrowedFd<'_>>, path: &CStr) -> Attr {
    Attr {
        pathname: path.as_ptr() as u64,
        bpf_fd: 0,
        file_flags: if dir.is_some() { c::BPF_F_PATH_FD } else { 0 },
        path_fd: dir.map_or(0, |dir| dir.as_raw_fd()),
    }
}
