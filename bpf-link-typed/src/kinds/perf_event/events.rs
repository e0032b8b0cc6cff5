//! The perf events that a program is attached to.

use std::borrow::Cow;
use std::os::fd::BorrowedFd;

use bpf_link::{PerfEvent, PerfEventConfig, Target};
use bpf_link_sys as c;

use super::counter::CounterEvent;
use super::kprobe::KprobeEvent;
use super::uprobe::UprobeEvent;
use crate::attach::path_ref::PathRef;
use crate::attach::tracefs::Tracepoint;
use crate::error::Result;

/// What a program is attached to by way of a perf event.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PerfTarget<'a> {
    /// A perf event of the caller's, as it is: enabled or not.
    Fd(BorrowedFd<'a>),
    /// A tracepoint.
    Tracepoint(TracepointEvent<'a>),
    /// A place in the kernel.
    Kprobe(KprobeEvent<'a>),
    /// A place in a user-space file.
    Uprobe(UprobeEvent<'a>),
    /// A counter.
    Counter(CounterEvent),
}

impl PerfTarget<'_> {
    /// What errors call it.
    pub(super) fn named(&self) -> Target {
        match self {
            Self::Fd(_) => Target::Descriptor,
            Self::Tracepoint(event) => event.target(),
            Self::Kprobe(event) => event.target(),
            Self::Uprobe(event) => event.target(),
            Self::Counter(event) => event.target(),
        }
    }
}

macro_rules! into_target {
    ($($Variant:ident($Event:ty)),+) => {$(
        impl<'a> From<$Event> for PerfTarget<'a> {
            fn from(event: $Event) -> Self {
                Self::$Variant(event)
            }
        }
    )+};
}

into_target!(
    Fd(BorrowedFd<'a>),
    Tracepoint(TracepointEvent<'a>),
    Kprobe(KprobeEvent<'a>),
    Uprobe(UprobeEvent<'a>),
    Counter(CounterEvent)
);

/// A tracepoint, by its category and name.
#[derive(Clone, Debug)]
#[must_use = "nothing is attached yet"]
pub struct TracepointEvent<'a> {
    category: Cow<'a, str>,
    name: Cow<'a, str>,
    tracefs: Option<PathRef<'a>>,
}

impl<'a> TracepointEvent<'a> {
    /// The tracepoint of this category and name, such as `sched` and `sched_switch`. Both are ASCII
    /// letters and digits, `_`, `-`, and `.` but not in front; anything else is
    /// [`Error::TracepointName`](crate::Error::TracepointName) when the program is attached.
    pub fn new(category: impl Into<Cow<'a, str>>, name: impl Into<Cow<'a, str>>) -> Self {
        Self {
            category: category.into(),
            name: name.into(),
            tracefs: None,
        }
    }

    /// Where tracefs is mounted, from which its number is read. Without this call, that is
    /// `/sys/kernel/tracing` or `/sys/kernel/debug/tracing`.
    pub fn tracefs(mut self, path: impl Into<PathRef<'a>>) -> Self {
        self.tracefs = Some(path.into());
        self
    }

    pub(super) fn open(&self) -> Result<PerfEvent> {
        let id = self.tracepoint().id()?;
        let config = PerfEventConfig::new(c::PERF_TYPE_TRACEPOINT, id);
        Ok(PerfEvent::open(&config).map_err(|source| source.naming(self.target()))?)
    }

    fn target(&self) -> Target {
        self.tracepoint().target()
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn tracepoint(&self) -> Tracepoint<'_> {
        Tracepoint {
            category: &self.category,
            name: &self.name,
            tracefs: self.tracefs.as_ref().map(AsRef::as_ref),
        }
    }
}
