//! Letting go of a link and its hook, in the order that leaves nothing behind.

use std::path::Path;
use std::time::Duration;

use bpf_link::{Error, PinLock, RawLink};

/// Removes the pin, and detaches the link if that can be done; then all that is left to do is to
/// close it.
///
/// A pin that cannot be removed leaves everything as it was. Without a pin, the link goes with this
/// process, however that ends: were it detached first, a process that is killed in between would
/// leave the pin of a link that does nothing.
pub(crate) fn let_go(link: &mut RawLink) -> bpf_link::Result<()> {
    link.unpin()?;
    match link.detach() {
        Err(Error::UnsupportedByKind { .. } | Error::UnsupportedByKernel(_)) => Ok(()),
        answer => answer,
    }
}

/// Takes the lock of this pin's directory; `None` if the directory is missing, so that there is no
/// pin.
pub(crate) fn lock_to_stop(path: &Path, time: Duration) -> bpf_link::Result<Option<PinLock>> {
    match PinLock::of_within(path, time) {
        Ok(lock) => Ok(Some(lock)),
        Err(Error::PathNotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
