//! Letting go of a link and its hook, in the order that leaves nothing behind.

use bpf_link::{Error, RawLink};

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
