//! `perf_event_open(2)`: the events that a perf event's link is attached to.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::error::{Command, CommandError, Result, Target};
use crate::sys;

/// What a perf event is opened with.
#[derive(Clone, Copy, Debug)]
pub struct PerfEventConfig<'a> {
    pub(crate) event_type: u32,
    pub(crate) config: u64,
    pub(crate) sample_period: u64,
    pub(crate) probe: Option<ProbeAt<'a>>,
    pub(crate) process: i32,
    pub(crate) processor: i32,
}

/// Where a kprobe or uprobe is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ProbeAt<'a> {
    Named(&'a CStr, u64),
    Address(u64),
}

impl<'a> PerfEventConfig<'a> {
    /// An event of this type (`PERF_TYPE_*`, or the number of a PMU) and this configuration, of every process, on the
    /// first processor.
    ///
    /// For a tracepoint, kprobe or uprobe the processor does not matter: a program that is attached to the event runs
    /// wherever it happens.
    #[must_use]
    pub fn new(event_type: u32, config: u64) -> Self {
        Self {
            event_type,
            config,
            sample_period: 0,
            probe: None,
            process: -1,
            processor: 0,
        }
    }

    /// For a counter: runs the program each time that it has counted this far.
    #[must_use]
    pub fn sample_period(mut self, events: u64) -> Self {
        self.sample_period = events;
        self
    }

    /// For a kprobe or uprobe: the kernel function, or the path of the file, and the offset in it, in bytes.
    #[must_use]
    pub fn probe(mut self, name: &'a CStr, offset: u64) -> Self {
        self.probe = Some(ProbeAt::Named(name, offset));
        self
    }

    /// For a kprobe: the address in the kernel.
    #[must_use]
    pub fn probe_address(mut self, address: u64) -> Self {
        self.probe = Some(ProbeAt::Address(address));
        self
    }

    /// Of this process and its later threads only, on every processor; 0 for the calling thread.
    #[must_use]
    pub fn process(mut self, pid: u32) -> Self {
        self.process = i32::try_from(pid).unwrap_or(i32::MAX);
        self.processor = -1;
        self
    }

    /// On this processor only.
    #[must_use]
    pub fn processor(mut self, processor: u32) -> Self {
        self.processor = i32::try_from(processor).unwrap_or(i32::MAX);
        self
    }
}

/// An owned file descriptor of a perf event.
///
/// A link keeps its event: the descriptor may be closed once the link is there.
#[derive(Debug)]
pub struct PerfEvent {
    fd: OwnedFd,
}

impl PerfEvent {
    /// Opens a perf event, which is enabled.
    ///
    /// # Errors
    ///
    /// - [`PermissionDenied`](crate::Error::PermissionDenied) (`EACCES`, `EPERM`): the caller lacks `CAP_PERFMON`.
    /// - [`Command`](crate::Error::Command) with
    ///   - `ENOENT`: there is no event of this type, no such file, or no such kernel function;
    ///   - `EINVAL`: the kernel does not know the configuration;
    ///   - `ESRCH`: there is no such process.
    ///
    /// # Kernel
    ///
    /// `perf_event_open(2)`; kprobes and uprobes since Linux 4.17.
    pub fn open(config: &PerfEventConfig<'_>) -> Result<Self> {
        match sys::perf_event_open(config) {
            Ok(fd) => Ok(Self { fd }),
            Err(source) => {
                let target = Target::PerfEvent(config.event_type, config.config);
                Err(CommandError::new(Command::PerfEventOpen, target, source).classify())
            }
        }
    }

    /// Lets a counter count again after [`disable`](Self::disable).
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

    /// Keeps a counter from counting, and so its program from running.
    ///
    /// The program of a tracepoint, kprobe or uprobe runs all the same, as long as the event is there.
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
