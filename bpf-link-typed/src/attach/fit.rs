//! Whether a program fits an attach type: asked of the kernel, as it answers one number to much.

use std::os::fd::BorrowedFd;

use bpf_link::{AttachType, Hook, LinkCreate, RawLink};

use crate::error::Error;

/// As the error that the program does not fit, if the kernel's refusal was for that.
///
/// Only for attach types with which the kernel answers something else than `EINVAL` where just the target is wrong.
pub(crate) fn or_mismatch(
    program: BorrowedFd<'_>,
    attach_type: AttachType,
    source: bpf_link::Error,
) -> Error {
    let is_open = matches!(source, bpf_link::Error::Command(_));
    if is_open && source.errno() == Some(libc::EINVAL) && is_refused(program, attach_type) {
        Error::AttachTypeMismatch {
            attach_type,
            source,
        }
    } else {
        source.into()
    }
}

/// The same on a network device, for attach types that not every kernel has.
pub(crate) fn or_mismatch_on_device(
    program: BorrowedFd<'_>,
    attach_type: AttachType,
    ifindex: u32,
    source: bpf_link::Error,
) -> Error {
    match Hook::of_device(attach_type, ifindex).query() {
        Ok(_) => or_mismatch(program, attach_type, source),
        // Among others, that the kernel does not know the attach type.
        Err(_) => source.into(),
    }
}

/// Whether the kernel refuses the program before it looks at the target: the one that is given is neither a descriptor nor
/// the index of a device, so nothing is attached.
fn is_refused(program: BorrowedFd<'_>, attach_type: AttachType) -> bool {
    const NO_TARGET: u32 = u32::MAX;
    let request = LinkCreate::new(&program, attach_type).target_ifindex(NO_TARGET);
    RawLink::create(&request).is_err_and(|error| error.errno() == Some(libc::EINVAL))
}
