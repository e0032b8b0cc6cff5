//! Namespaces.

use std::io;

use rustix::thread::UnshareFlags;

/// `unshare(2)`: puts the calling thread into new namespaces.
///
/// # Errors
///
/// What the kernel answered; `InvalidInput` for `UnshareFlags::FILES`, which is no namespace.
pub fn unshare(namespaces: UnshareFlags) -> io::Result<()> {
    if namespaces.contains(UnshareFlags::FILES) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: what can go wrong comes of `FILES` alone, and that has just been refused.
    unsafe { rustix::thread::unshare_unsafe(namespaces) }.map_err(io::Error::from)
}
