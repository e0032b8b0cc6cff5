//! System calls that distinguish XDP programs for devices from those for the entries of maps. None
//! of them runs a program.

use std::io;
use std::mem::offset_of;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use bpf_link_sys as c;

use super::map_create::{MapAttr, map_create};
use super::map_entry::EntryAttr;
use super::{NO_DESCRIPTOR, bpf, len_of, raw};

/// `bpf_attr__test` with its padding, so without any.
#[repr(C)]
struct TestAttr {
    prog_fd: u32,
    unused: [u32; 15],
    flags: u32,
    cpu: u32,
    batch_size: u32,
    padding: u32,
}

const _: () = {
    use c::bpf_attr__test as Kernel;
    assert!(offset_of!(TestAttr, prog_fd) == offset_of!(Kernel, prog_fd));
    assert!(offset_of!(TestAttr, flags) == offset_of!(Kernel, flags));
    assert!(offset_of!(TestAttr, batch_size) == offset_of!(Kernel, batch_size));
    assert!(size_of::<TestAttr>() == size_of::<Kernel>());
};

/// `BPF_PROG_TEST_RUN` with a batch that is larger than the kernel allows, so nothing runs. The
/// error is `E2BIG` for an XDP program that runs on any device, `EINVAL` for one that runs on no
/// device or only on a certain one, and `EBADF` if there is no program. Before Linux 5.18 it is
/// `EINVAL` in every case.
pub(crate) fn test_run_too_many(program: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let mut attr = TestAttr {
        prog_fd: program.map_or(NO_DESCRIPTOR, raw),
        unused: [0; 15],
        flags: c::BPF_F_TEST_XDP_LIVE_FRAMES,
        cpu: 0,
        batch_size: u32::MAX,
        padding: 0,
    };
    // SAFETY: the attr is integers without padding, all initialised, and its pointers are null.
    unsafe { bpf(c::BPF_PROG_TEST_RUN, &mut attr) }.map(drop)
}

/// Puts a program into an array of programs, which is closed at once. The kernel refuses a program
/// for a certain device (`EINVAL`).
pub(crate) fn put_into_array(program: BorrowedFd<'_>) -> io::Result<()> {
    let array = program_array()?;
    let (key, value) = (0_u32, raw(program));
    let mut attr = EntryAttr {
        map_fd: raw(array.as_fd()),
        padding: 0,
        key: (&raw const key) as u64,
        value: (&raw const value) as u64,
        flags: 0,
    };
    // SAFETY:
    // - the attr is integers without padding, all initialised;
    // - its pointers are to `key` and `value`, which live until the call is over and have the size
    //   that the map was made with; the kernel only reads them.
    unsafe { bpf(c::BPF_MAP_UPDATE_ELEM, &mut attr) }.map(drop)
}

/// An array of one program.
fn program_array() -> io::Result<OwnedFd> {
    map_create(MapAttr {
        map_type: c::BPF_MAP_TYPE_PROG_ARRAY,
        key_size: len_of::<u32>(),
        value_size: len_of::<u32>(),
        max_entries: 1,
        ..MapAttr::default()
    })
}
