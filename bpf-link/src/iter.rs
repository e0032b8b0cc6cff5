//! `BPF_ITER_CREATE`: a run of an iterator.

use std::fs::File;
use std::os::fd::AsFd;

use crate::error::{Command, Error, Result};
use crate::kind::LinkKind;
use crate::link::RawLink;
use crate::sys;

impl RawLink {
    /// Starts a new run of an iterator. The file that is returned has what the program writes.
    ///
    /// The run keeps the program that the link has now, even if the link is updated. It can be read
    /// to its end once, and cannot be rewound. Each file is a run of its own, and outlives the
    /// link.
    ///
    /// A read may fail with `EAGAIN` after a million objects that the program skipped (read again
    /// to go on), and with `E2BIG` where the program writes more than eight pages for one object.
    ///
    /// # Errors
    ///
    /// - [`Error::UnsupportedByKind`] (`EINVAL`): the link is not an iterator.
    /// - [`Error::Command`] with `EMFILE`: the process has no descriptor left.
    ///
    /// # Kernel
    ///
    /// `BPF_ITER_CREATE` since Linux 5.8, which ends in `bpf_iter_new_fd` (7.3).
    pub fn create_iter(&self) -> Result<File> {
        sys::iter_create(self.as_fd())
            .map(File::from)
            .map_err(|source| {
                let source = self.error(Command::IterCreate, source);
                match (source.errno(), self.kind()) {
                    (Some(libc::EINVAL), Ok(kind)) if kind.is_known() && kind != LinkKind::Iter => {
                        Error::UnsupportedByKind { kind, source }
                    }
                    _ => source.classify(),
                }
            })
    }
}
