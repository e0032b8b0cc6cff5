//! What a perf event is opened with, and its link created.

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt as _;

use crate::error::{FirstOf, Target};

/// What a perf event's link is created with (`link_create.perf_event`, since Linux 5.15).
#[derive(Clone, Copy, Debug, Default)]
pub struct PerfEventArgs {
    pub(crate) cookie: u64,
}

impl PerfEventArgs {
    /// What `bpf_get_attach_cookie` gives the program.
    #[must_use]
    pub fn cookie(cookie: u64) -> Self {
        Self { cookie }
    }
}

/// What a perf event is opened with.
#[derive(Clone, Copy, Debug)]
pub struct PerfEventConfig<'a> {
    pub(crate) event_type: u32,
    pub(crate) config: u64,
    pub(crate) sample: Sample,
    pub(crate) probe: Option<ProbeAt<'a>>,
    pub(crate) process: i32,
    pub(crate) inherit: Inherit,
    pub(crate) processor: i32,
}

/// How often a counter runs its program.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sample {
    Period(u64),
    Frequency(u64),
}

/// Where a kprobe or uprobe is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ProbeAt<'a> {
    Named(&'a CStr, u64),
    Address(u64),
}

/// What a counter counts of what its thread starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inherit {
    Nothing,
    Threads,
    All,
}

impl<'a> PerfEventConfig<'a> {
    /// An event of this type (`PERF_TYPE_*`, or the number of a PMU) and this configuration, of
    /// every process, on the first processor.
    ///
    /// For a tracepoint, kprobe or uprobe the processor does not matter: a program that is attached
    /// to the event runs wherever it happens.
    #[must_use]
    pub fn new(event_type: u32, config: u64) -> Self {
        Self {
            event_type,
            config,
            sample: Sample::Period(0),
            probe: None,
            process: -1,
            inherit: Inherit::Nothing,
            processor: 0,
        }
    }

    /// For a counter: runs the program each time that it has counted this far, which is in
    /// nanoseconds for a clock; 0 for never.
    #[must_use]
    pub fn sample_period(mut self, events: u64) -> Self {
        self.sample = Sample::Period(events);
        self
    }

    /// For a counter: runs the program about so many times in a second, for which the kernel adapts
    /// the period; of a clock exactly so many times.
    #[must_use]
    pub fn sample_frequency(mut self, hertz: u64) -> Self {
        self.sample = Sample::Frequency(hertz);
        self
    }

    /// For a kprobe or uprobe: the kernel function, or the path of the file, and the offset in it,
    /// in bytes.
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

    /// For a uprobe: in the process with this id in the caller's PID namespace only, in all of its
    /// threads; 0 for the calling process.
    ///
    /// A counter counts only the thread with this id, which is the first of the process: see
    /// [`thread`](Self::thread).
    #[must_use]
    pub fn process(mut self, pid: u32) -> Self {
        self.process = i32::try_from(pid).unwrap_or(i32::MAX);
        self.processor = -1;
        self
    }

    /// For a counter: of the thread with this id in the caller's PID namespace only, on every
    /// processor; 0 for the calling thread. Other threads of its process are not counted.
    #[must_use]
    pub fn thread(self, tid: u32) -> Self {
        self.process(tid)
    }

    /// For the counter of a thread: also of the threads that it starts later, and of those that
    /// they start, but not of other processes. Since Linux 5.13; `EINVAL` before.
    #[doc(alias = "inherit_thread")]
    #[must_use]
    pub fn inherit_threads(mut self) -> Self {
        self.inherit = Inherit::Threads;
        self
    }

    /// For the counter of a thread: also of the threads and the processes that it starts later, and
    /// of those that they start.
    #[must_use]
    pub fn inherit(mut self) -> Self {
        self.inherit = Inherit::All;
        self
    }

    /// On this processor only.
    #[must_use]
    pub fn processor(mut self, processor: u32) -> Self {
        self.processor = i32::try_from(processor).unwrap_or(i32::MAX);
        self
    }
}

impl PerfEventConfig<'_> {
    /// What errors about the event call it: its name and offset, address, or type and
    /// configuration.
    ///
    /// Whether a name is a function's or a file's, the number of the type says only to the kernel:
    /// what begins with a slash is a file.
    #[must_use]
    pub fn target(&self) -> Target {
        let process = u32::try_from(self.process).ok();
        match self.probe {
            Some(ProbeAt::Address(address)) => Target::Addresses(FirstOf::these([address])),
            Some(ProbeAt::Named(name, offset)) if name.to_bytes().starts_with(b"/") => {
                Target::File {
                    path: Some(OsStr::from_bytes(name.to_bytes()).into()),
                    offsets: FirstOf::these([offset]),
                    process,
                }
            }
            Some(ProbeAt::Named(name, offset)) => Target::Function {
                name: name.to_owned(),
                offset,
            },
            None => Target::PerfEvent {
                event_type: self.event_type,
                config: self.config,
                thread: process,
                processor: u32::try_from(self.processor).ok(),
            },
        }
    }
}
