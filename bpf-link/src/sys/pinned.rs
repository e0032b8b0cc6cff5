//! What `BPF_OBJ_GET` has opened: a link or not, told by a single info.

use std::os::fd::BorrowedFd;

use bpf_link_sys as c;

use super::identity::Identity;
use super::info_bytes::{INFO_SIZE, InfoBytes};
use super::{bpf, len_of, object_info, raw};

/// Room for the info of a link, and for a little more: what fills that as well is the info of
/// something else.
#[repr(C, align(8))]
struct Room {
    info: InfoBytes,
    behind: u64,
}

// The infos of programs and maps fill it, on this kernel and every later one: they only grow.
const _: () = assert!(size_of::<Room>() > INFO_SIZE && size_of::<Room>() <= object_info::SHORTEST);

/// Which link this is, of a descriptor that `BPF_OBJ_GET` has opened. `None` if one info does not
/// tell: it is no link, or a kernel newer than this release has more to say about links, or refuses
/// to say anything about this one.
///
/// What can be pinned is a program, a map or a link (7.3, `enum bpf_type`). An info does not say of
/// which of them it is, but only a link's ends where the room has not.
#[inline]
pub(super) fn identity_of_pinned(object: BorrowedFd<'_>) -> Option<Identity> {
    let mut room = Room {
        info: InfoBytes::ZERO,
        behind: 0,
    };
    let mut attr = c::bpf_attr__info {
        bpf_fd: raw(object),
        info_len: len_of::<Room>(),
        info: (&raw mut room) as u64,
    };
    // SAFETY:
    // - the attr is three initialised integers without padding;
    // - its only pointer is `room`, which is live for the call, as long as `info_len` says, without
    //   padding, and ours to write; it is all zeros, so whatever the object is, there is no pointer
    //   in it for the kernel to follow.
    unsafe { bpf(c::BPF_OBJ_GET_INFO_BY_FD, &mut attr) }.ok()?;
    let is_link = attr.info_len as usize <= INFO_SIZE;
    is_link.then(|| Identity::of(&room.info, attr.info_len))
}
