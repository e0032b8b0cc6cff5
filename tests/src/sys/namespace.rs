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

/// Does something in a thread that has a table of descriptors of its own, with what this one has at
/// that moment.
///
/// It is a function and no closure, as what a closure brings along might be a descriptor that
/// others close.
///
/// # Errors
///
/// What the kernel answered, or the thread has panicked.
pub fn with_own_descriptors<T: Send>(
    work: fn(&[String]) -> T,
    arguments: &[String],
) -> io::Result<T> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // SAFETY: the thread has only just begun, and has borrowed no descriptor that could be
            // closed in the other table meanwhile.
            unsafe { rustix::thread::unshare_unsafe(UnshareFlags::FILES) }?;
            Ok(work(arguments))
        });
        thread
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the thread has panicked")))
    })
}

/// Ends the calling thread at once, and not its process: what the thread owns is left as it is.
pub fn end_this_thread() -> ! {
    // SAFETY: the call takes a number, and does not return. Nothing that the thread has lent to
    // another is freed.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
    unreachable!("the thread has ended")
}
