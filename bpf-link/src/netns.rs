//! Work in another network namespace.

use std::os::fd::AsFd;

use crate::error::{Command, CommandError, Result, Target};
use crate::sys;

/// Does something in this network namespace, on a thread of its own that ends with it: the calling
/// thread stays where it is. For more than one thing, see [`NetnsThread`].
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
    Ok(NetnsThread::enter(netns)?.run(work))
}

/// A thread in another network namespace, for work there: with this, everything that can fail is
/// done before the work. It ends when this is dropped, and until then keeps the namespace.
///
/// ```no_run
/// # fn example() -> bpf_link::Result<()> {
/// let blue = std::fs::File::open("/run/netns/blue").unwrap();
/// let blue = bpf_link::NetnsThread::enter(&blue)?;
/// let index = blue.run(|| bpf_link::interface_index(c"eth0"))?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct NetnsThread(sys::Worker);

impl NetnsThread {
    /// Starts a thread in this network namespace.
    ///
    /// # Errors
    ///
    /// As [`in_netns`].
    ///
    /// # Kernel
    ///
    /// `setns(2)` with `CLONE_NEWNET`, since Linux 3.0.
    pub fn enter(netns: &(impl AsFd + ?Sized)) -> Result<Self> {
        let netns = netns.as_fd();
        let refused = |command| {
            move |source| CommandError::new(command, Target::Descriptor, source).classify()
        };
        let thread = sys::Worker::start().map_err(refused(Command::StartThread))?;
        let entered = thread.run(|| sys::enter_netns(netns));
        entered.map_err(refused(Command::EnterNetns))?;
        Ok(Self(thread))
    }

    /// Does something on the thread, and waits for it.
    ///
    /// # Panics
    ///
    /// If the work does.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.0.run(work)
    }
}
