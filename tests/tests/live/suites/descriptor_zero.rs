//! Descriptor 0, which the kernel takes for "none" in some places.

use std::os::fd::{AsFd, BorrowedFd};

use anyhow::{Result, ensure};
use rustix::fs::fstat;
use rustix::io::fcntl_dupfd_cloexec;
use rustix::stdio::{dup2_stdin, stdin};

/// Runs `work` while what `object` stands for is open as descriptor 0 as well.
pub(crate) fn with<T>(
    object: &(impl AsFd + ?Sized),
    work: impl FnOnce(BorrowedFd<'_>) -> Result<T>,
) -> Result<T> {
    let before = fstat(stdin())?;
    let kept = fcntl_dupfd_cloexec(stdin(), 3)?;
    dup2_stdin(object)?;
    let done = work(stdin());
    dup2_stdin(&kept)?;
    ensure!(fstat(stdin())?.st_ino == before.st_ino);
    done
}
