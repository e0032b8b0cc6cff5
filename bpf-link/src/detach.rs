//! `BPF_LINK_DETACH`: a link without its hook.

use crate::error::{Command, Error, Result};
use crate::link::RawLink;
use crate::sys;
use std::os::fd::AsFd;

impl RawLink {
    /// Detaches the program from its hook at once, even if other processes hold the link.
    ///
    /// The link keeps its id, pins and info, but does nothing any more and cannot be attached
    /// again. Detaching it twice is not an error.
    ///
    /// # Errors
    ///
    /// - [`Error::UnsupportedByKind`] (`EOPNOTSUPP`): links of this kind cannot be detached, only
    ///   closed and unpinned.
    /// - [`Error::UnsupportedByKernel`] (`EOPNOTSUPP`): this kernel does not detach links of this
    ///   kind yet (`struct_ops`, before Linux 6.11).
    ///
    /// # Kernel
    ///
    /// `BPF_LINK_DETACH` since Linux 5.9, which ends in `link_detach` (7.3).
    pub fn detach(&self) -> Result<()> {
        sys::link_detach(self.as_fd()).map_err(|source| {
            let source = self.error(Command::LinkDetach, source);
            match (source.errno(), self.kind()) {
                (Some(libc::EOPNOTSUPP), Ok(kind)) if kind.is_detachable() => {
                    Error::UnsupportedByKernel(source)
                }
                (Some(libc::EOPNOTSUPP), Ok(kind)) => Error::UnsupportedByKind { kind, source },
                _ => source.classify(),
            }
        })
    }
}
