//! Network namespaces.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anyhow::{Context as _, Result, anyhow};
use rustix::fs::{Mode, OFlags};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};

use crate::sys;

/// A network namespace, which stays as long as something holds it: this does.
#[derive(Debug)]
pub struct Netns {
    fd: OwnedFd,
}

impl Netns {
    /// The network namespace of the calling thread.
    ///
    /// # Errors
    ///
    /// `/proc` is not there.
    pub fn current() -> Result<Self> {
        const PATH: &str = "/proc/thread-self/ns/net";
        let fd = rustix::fs::open(PATH, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .context(PATH)?;
        Ok(Self { fd })
    }

    /// The network namespace of the process with this number.
    ///
    /// # Errors
    ///
    /// There is no such process, or the caller may not look at it.
    pub fn of_process(number: u32) -> Result<Self> {
        let path = format!("/proc/{number}/ns/net");
        let file = std::fs::File::open(&path).context(path)?;
        Ok(Self { fd: file.into() })
    }

    /// Makes a network namespace with nothing in it. The calling thread stays where it is.
    ///
    /// # Errors
    ///
    /// The caller may not, or `/proc` is not there.
    pub fn create() -> Result<Self> {
        on_a_thread(|| {
            sys::unshare(UnshareFlags::NEWNET).context("unsharing the network namespace")?;
            Self::current()
        })
    }

    /// The number of the namespace's inode, by which the kernel names it.
    ///
    /// # Errors
    ///
    /// What the kernel answered.
    pub fn inode(&self) -> Result<u64> {
        Ok(rustix::fs::fstat(&self.fd)?.st_ino)
    }

    /// Runs `work` on a thread of its own, inside the namespace.
    ///
    /// # Errors
    ///
    /// The caller may not enter it; and what `work` failed with.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        on_a_thread(|| {
            rustix::thread::move_into_link_name_space(
                self.fd.as_fd(),
                Some(LinkNameSpaceType::Network),
            )
            .context("entering a network namespace")?;
            work()
        })
    }
}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Runs `work` on a thread of its own, whose namespaces end with it.
fn on_a_thread<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        scope
            .spawn(work)
            .join()
            .map_err(|_| anyhow!("a thread in another namespace panicked"))?
    })
}
