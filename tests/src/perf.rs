//! Perf events.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use bpf_link_sys::{
    PERF_COUNT_SW_CPU_CLOCK, PERF_COUNT_SW_PAGE_FAULTS, PERF_TYPE_SOFTWARE, PERF_TYPE_TRACEPOINT,
};

use crate::Program;
use crate::sandbox::Sandbox;
use crate::sys::{self, PerfConfig};

/// Whether a probe is at the entry of a function or at its return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeAt {
    /// The entry, or the instruction at an offset.
    Entry,
    /// The return.
    Return,
}

/// A perf event of the calling thread, enabled.
#[derive(Debug)]
pub struct PerfEvent {
    fd: OwnedFd,
}

impl PerfEvent {
    /// Opens the event of a tracepoint, such as `syscalls`, `sys_enter_getpid`.
    ///
    /// # Errors
    ///
    /// The kernel has no such tracepoint, and what it answered.
    pub fn tracepoint(sandbox: &Sandbox, category: &str, name: &str) -> Result<Self> {
        let path = sandbox
            .tracefs()?
            .join("events")
            .join(category)
            .join(name)
            .join("id");
        Self::open(&PerfConfig {
            event_type: PERF_TYPE_TRACEPOINT,
            config: read_number(&path)?.into(),
            name: None,
            offset: 0,
            sample_period: 1,
        })
    }

    /// Opens a clock that ticks while the thread runs, and takes a sample every `nanoseconds`.
    ///
    /// # Errors
    ///
    /// What the kernel answered.
    pub fn clock(nanoseconds: u64) -> Result<Self> {
        Self::open(&PerfConfig {
            event_type: PERF_TYPE_SOFTWARE,
            config: PERF_COUNT_SW_CPU_CLOCK.into(),
            name: None,
            offset: 0,
            sample_period: nanoseconds,
        })
    }

    /// Opens the event of a page that has to be found for the thread, as the first use of new
    /// memory makes it.
    ///
    /// # Errors
    ///
    /// What the kernel answered.
    pub fn page_fault() -> Result<Self> {
        Self::open(&PerfConfig {
            event_type: PERF_TYPE_SOFTWARE,
            config: PERF_COUNT_SW_PAGE_FAULTS.into(),
            name: None,
            offset: 0,
            sample_period: 1,
        })
    }

    /// Opens a probe of a function of the kernel.
    ///
    /// # Errors
    ///
    /// The kernel has no kprobes, and what it answered.
    pub fn kprobe(function: &str, at: ProbeAt) -> Result<Self> {
        let (event_type, config) = probe("kprobe", at)?;
        let name = CString::new(function)?;
        Self::open(&PerfConfig {
            event_type,
            config,
            name: Some(&name),
            offset: 0,
            sample_period: 1,
        })
    }

    /// Opens a probe of a file at this offset.
    ///
    /// # Errors
    ///
    /// The kernel has no uprobes, and what it answered.
    pub fn uprobe(file: &Path, offset: u64, at: ProbeAt) -> Result<Self> {
        let (event_type, config) = probe("uprobe", at)?;
        let name = CString::new(file.as_os_str().as_bytes())?;
        Self::open(&PerfConfig {
            event_type,
            config,
            name: Some(&name),
            offset,
            sample_period: 1,
        })
    }

    fn open(event: &PerfConfig<'_>) -> Result<Self> {
        let fd = sys::perf_event_open(event).with_context(|| format!("{event:?}"))?;
        Ok(Self { fd })
    }

    /// Lets it count.
    ///
    /// # Errors
    ///
    /// What the kernel answered.
    pub fn enable(&self) -> Result<()> {
        sys::perf_enable(self.as_fd()).context("enabling a perf event")
    }

    /// Stops it.
    ///
    /// # Errors
    ///
    /// What the kernel answered.
    pub fn disable(&self) -> Result<()> {
        sys::perf_disable(self.as_fd()).context("disabling a perf event")
    }

    /// Lets it run this program, without a link.
    ///
    /// # Errors
    ///
    /// What the kernel answered.
    pub fn set_program(&self, program: &Program) -> Result<()> {
        sys::perf_set_bpf(self.as_fd(), program.as_fd()).context("a program of a perf event")
    }
}

impl AsFd for PerfEvent {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The type of event of a kind of probe, and the `config` that says where it is.
fn probe(kind: &str, at: ProbeAt) -> Result<(u32, u64)> {
    let path = Path::new("/sys/bus/event_source/devices")
        .join(kind)
        .join("type");
    let config = match at {
        ProbeAt::Entry => 0,
        ProbeAt::Return => 1,
    };
    Ok((read_number(&path)?, config))
}

fn read_number(path: &Path) -> Result<u32> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    text.trim()
        .parse()
        .with_context(|| format!("{}: {text}", path.display()))
}
