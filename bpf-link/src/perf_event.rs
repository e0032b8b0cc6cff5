//! `perf_event_open(2)`: the events that a perf event's link is attached to.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::args::{PerfEventConfig, ProbeAt};
use crate::error::{Command, CommandError, InvalidRequest, Result, Target};
use crate::sys;

/// An owned file descriptor of a perf event.
///
/// A link keeps its event open. The descriptor may be closed once the link exists.
#[derive(Debug)]
pub struct PerfEvent {
    fd: OwnedFd,
}

impl PerfEvent {
    /// Opens a perf event, and enables it.
    ///
    /// # Errors
    ///
    /// - [`InvalidRequest`](crate::Error::InvalidRequest): the function or the path is empty;
    ///   nothing is sent.
    /// - [`PermissionDenied`](crate::Error::PermissionDenied): the caller lacks `CAP_PERFMON`
    ///   (`EACCES`, `EPERM`), or the kernel is locked down for confidentiality, which forbids
    ///   kprobes (`EPERM`).
    /// - [`Command`](crate::Error::Command) with
    ///   - `ENOENT`: there is no event of this type, no such file, or no such kernel function;
    ///   - `EINVAL`: the kernel does not know the configuration; there is no such processor; the
    ///     period is 2⁶³ or longer, or the frequency beyond `kernel.perf_event_max_sample_rate`;
    ///   - `ENODEV`: the processor is offline;
    ///   - `ESRCH`: there is no such process or thread;
    ///   - for a kprobe `EADDRNOTAVAIL`: several functions have this name; `EILSEQ`: no instruction
    ///     begins at the offset; `EINVAL`: the function is not to be probed.
    ///
    /// # Kernel
    ///
    /// `perf_event_open(2)`; kprobes and uprobes since Linux 4.17.
    pub fn open(config: &PerfEventConfig<'_>) -> Result<Self> {
        if let Some(ProbeAt::Named(name, _)) = config.probe {
            if name.is_empty() {
                return Err(InvalidRequest::EmptyName(Box::new(config.target())).into());
            }
        }
        match sys::perf_event_open(config) {
            Ok(fd) => Ok(Self { fd }),
            Err(source) => {
                let error = CommandError::new(Command::PerfEventOpen, config.target(), source);
                Err(error.classify())
            }
        }
    }

    /// Makes a counter count again after [`disable`](Self::disable).
    ///
    /// # Errors
    ///
    /// What the kernel answers; it has no reason to refuse this for an event that exists.
    ///
    /// # Kernel
    ///
    /// `ioctl(2)` with `PERF_EVENT_IOC_ENABLE`.
    pub fn enable(&self) -> Result<()> {
        sys::perf_event_enable(self.as_fd()).map_err(|source| {
            CommandError::new(Command::PerfEventEnable, Target::Descriptor, source).classify()
        })
    }

    /// Stops a counter, and so its program.
    ///
    /// The program of a tracepoint, kprobe or uprobe runs all the same, as long as the event is
    /// there.
    ///
    /// # Errors
    ///
    /// As [`enable`](Self::enable).
    ///
    /// # Kernel
    ///
    /// `ioctl(2)` with `PERF_EVENT_IOC_DISABLE`.
    pub fn disable(&self) -> Result<()> {
        sys::perf_event_disable(self.as_fd()).map_err(|source| {
            CommandError::new(Command::PerfEventDisable, Target::Descriptor, source).classify()
        })
    }
}

impl AsFd for PerfEvent {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Takes a descriptor for a perf event, without a check: the commands on it tell.
impl From<OwnedFd> for PerfEvent {
    fn from(fd: OwnedFd) -> Self {
        Self { fd }
    }
}

/// Gives the descriptor away.
impl From<PerfEvent> for OwnedFd {
    fn from(event: PerfEvent) -> Self {
        event.fd
    }
}
