//! `BPF_LINK_GET_NEXT_ID`: the links of this machine.

use std::iter::FusedIterator;

use crate::error::{Command, CommandError, Error, Result, Target};
use crate::id::LinkId;
use crate::link::RawLink;
use crate::sys;

/// Walks the ids of all links of this machine, from the smallest up.
///
/// See [`LinkIds`].
#[must_use]
pub fn link_ids() -> LinkIds {
    LinkIds {
        last: 0,
        ended: false,
    }
}

/// Walks all links of this machine, in the order of their ids.
///
/// See [`Links`].
#[must_use]
pub fn links() -> Links {
    Links { ids: link_ids() }
}

/// The ids of all links of this machine: one system call each, no allocation.
///
/// A link that exists from the start of the walk to its end is listed exactly once, whatever other
/// links come and go. A listed link may still be being attached, or may have gone since.
///
/// # Errors
///
/// An item is an error only if the kernel refuses to go on. Then it is the last item:
///
/// - [`Error::PermissionDenied`] (`EPERM`): the caller lacks `CAP_SYS_ADMIN` in the first user
///   namespace.
///
/// # Kernel
///
/// `BPF_LINK_GET_NEXT_ID` since Linux 5.8, which ends in `bpf_obj_get_next_id` (7.3). Ids are given
/// in a cycle from 1 to 2^31 - 1.
#[derive(Clone, Debug)]
pub struct LinkIds {
    last: u32,
    ended: bool,
}

/// All links of this machine, opened one after the other: two system calls each, and one to close
/// it; no allocation.
///
/// A link that exists from the start of the walk to its end is listed exactly once, whatever other
/// links come and go. A link that is still being attached (`EAGAIN`) or has gone (`ENOENT`) is
/// skipped.
///
/// # Errors
///
/// An item is an error if a link cannot be opened, for example [`Error::Command`] with `EMFILE`.
/// The error's target is the link's id, and the walk goes on after it. As with [`LinkIds`], the
/// walk ends if the kernel refuses to go on.
///
/// # Kernel
///
/// `BPF_LINK_GET_NEXT_ID` and `BPF_LINK_GET_FD_BY_ID` since Linux 5.8.
#[derive(Clone, Debug)]
pub struct Links {
    ids: LinkIds,
}

impl Iterator for LinkIds {
    type Item = Result<LinkId>;

    fn next(&mut self) -> Option<Self::Item> {
        /// The largest id; the kernel refuses to look beyond it.
        const MAX: u32 = i32::MAX.unsigned_abs();
        if self.ended || self.last >= MAX {
            return None;
        }
        match sys::link_get_next_id(self.last) {
            // Each id is larger than the one before; anything else would go round for ever.
            Ok(id) if id > self.last => {
                self.last = id;
                LinkId::new(id).map(Ok)
            }
            Ok(_) => {
                self.ended = true;
                None
            }
            Err(source) => {
                self.ended = true;
                // The end of the walk, which is no error, makes none.
                (source.raw_os_error() != Some(libc::ENOENT)).then(|| {
                    let error = CommandError::new(Command::LinkGetNextId, Target::Links, source);
                    Err(error.classify())
                })
            }
        }
    }
}

impl Iterator for Links {
    type Item = Result<RawLink>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.ids.next()?.and_then(RawLink::from_id) {
                Err(Error::Vanished(_) | Error::Unsettled(_)) => {}
                item => return Some(item),
            }
        }
    }
}

impl FusedIterator for LinkIds {}
impl FusedIterator for Links {}
