//! Work in another network namespace.

use std::os::fd::AsFd;

use crate::error::{Command, CommandError, Result, Target};
use crate::sys;

/// Does something in this network namespace, on a thread of its own that ends with it: the calling
/// thread stays where it is.
///
/// The kernel takes the index of a device, and a netfilter hook, to be those of the calling
/// thread's namespace.
///
/// ```no_run
/// # fn example() -> bpf_link::Result<()> {
/// let blue = std::fs::File::open("/run/netns/blue").unwrap();
/// let index = bpf_link::in_netns(&blue, || bpf_link::interface_index(c"eth0"))??;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// - [`Error::PermissionDenied`](crate::Error::PermissionDenied) (`EPERM`): the caller lacks
///   `CAP_SYS_ADMIN`, or has no rights over the namespace.
/// - [`Error::Command`](crate::Error::Command) with `EINVAL` (the file is not a network namespace),
///   or what the system answered to a new thread (`EAGAIN`).
///
/// # Panics
///
/// If the work does.
///
/// # Kernel
///
/// `setns(2)` with `CLONE_NEWNET`, since Linux 3.0.
pub fn in_netns<T: Send>(
    netns: &(impl AsFd + ?Sized),
    work: impl FnOnce() -> T + Send,
) -> Result<T> {
    let netns = netns.as_fd();
    let refused =
        |command| move |source| CommandError::new(command, Target::Descriptor, source).classify();
    let inside = || {
        sys::enter_netns(netns).map_err(refused(Command::EnterNetns))?;
        Ok(work())
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, inside);
        let thread = thread.map_err(refused(Command::StartThread))?;
        match thread.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
