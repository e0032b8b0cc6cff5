//! The perf events that a program is attached to.

use std::ffi::{CStr, CString};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use bpf_link::{FirstOf, PerfEvent, PerfEventConfig, Target};
use bpf_link_sys as c;

use crate::attach::file_ref::missing_file;
use crate::attach::tracefs::{self, EventSource};
use crate::error::{Error, Result, UntraceableSymbols};

/// What a program is attached to by way of a perf event.
#[derive(Clone, Copy, Debug)]
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
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is attached yet"]
pub struct TracepointEvent<'a> {
    pub(super) category: &'a str,
    pub(super) name: &'a str,
    pub(super) tracefs: Option<&'a Path>,
}

impl<'a> TracepointEvent<'a> {
    /// The tracepoint of this category and name, such as `sched` and `sched_switch`.
    pub fn new(category: &'a str, name: &'a str) -> Self {
        Self {
            category,
            name,
            tracefs: None,
        }
    }

    /// Where tracefs is mounted, from which its number is read. Without this call, that is
    /// `/sys/kernel/tracing` or `/sys/kernel/debug/tracing`.
    pub fn tracefs(mut self, path: &'a (impl AsRef<Path> + ?Sized)) -> Self {
        self.tracefs = Some(path.as_ref());
        self
    }

    pub(super) fn open(&self) -> Result<PerfEvent> {
        let id = tracefs::tracepoint_id(self.tracefs, self.category, self.name)?;
        let config = PerfEventConfig::new(c::PERF_TYPE_TRACEPOINT, id);
        Ok(PerfEvent::open(&config).map_err(|source| source.naming(self.target()))?)
    }

    fn target(&self) -> Target {
        let name = format!("{}:{}", self.category, self.name);
        Target::Tracepoint(CString::new(name).ok())
    }
}

/// A place in the kernel (kprobe), or the return of one of its functions (kretprobe).
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is attached yet"]
pub struct KprobeEvent<'a> {
    pub(super) place: KernelPlace<'a>,
    pub(super) on_return: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum KernelPlace<'a> {
    Symbol(&'a CStr, u64),
    Address(u64),
}

impl<'a> KprobeEvent<'a> {
    /// So many bytes behind the beginning of the function with this symbol; 0 for its entry.
    pub fn at(symbol: &'a CStr, offset: u64) -> Self {
        Self {
            place: KernelPlace::Symbol(symbol, offset),
            on_return: false,
        }
    }

    /// At this address.
    pub fn at_address(address: u64) -> Self {
        Self {
            place: KernelPlace::Address(address),
            on_return: false,
        }
    }

    /// When the function returns. It is then given by its beginning.
    pub fn on_return(mut self) -> Self {
        self.on_return = true;
        self
    }

    fn target(&self) -> Target {
        match self.place {
            KernelPlace::Symbol(name, offset) => Target::Function {
                name: name.to_owned(),
                offset,
            },
            KernelPlace::Address(address) => Target::Addresses(FirstOf::these([address])),
        }
    }

    pub(super) fn open(&self) -> Result<PerfEvent> {
        let source = EventSource::find("kprobe")?;
        let config = PerfEventConfig::new(source.event_type, retprobe(&source, self.on_return)?);
        let config = match self.place {
            KernelPlace::Symbol(symbol, offset) => config.probe(symbol, offset),
            KernelPlace::Address(address) => config.probe_address(address),
        };
        PerfEvent::open(&config).map_err(|source| match (source.errno(), self.place) {
            (Some(libc::ENOENT), KernelPlace::Symbol(symbol, _)) => {
                let mut symbols = UntraceableSymbols::default();
                symbols.unknown.push(symbol.to_owned());
                Error::SymbolNotFound {
                    symbols: Box::new(symbols),
                    source,
                }
            }
            _ => source.into(),
        })
    }
}

/// A place in a user-space file (uprobe), or the return of a function that begins there
/// (uretprobe).
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is attached yet"]
pub struct UprobeEvent<'a> {
    pub(super) path: &'a Path,
    pub(super) offset: u64,
    pub(super) ref_ctr_offset: Option<u32>,
    pub(super) pid: Option<u32>,
    pub(super) on_return: bool,
}

impl<'a> UprobeEvent<'a> {
    /// So many bytes behind the beginning of the file.
    pub fn at(path: &'a (impl AsRef<Path> + ?Sized), offset: u64) -> Self {
        Self {
            path: path.as_ref(),
            offset,
            ref_ctr_offset: None,
            pid: None,
            on_return: false,
        }
    }

    /// When the function returns.
    pub fn on_return(mut self) -> Self {
        self.on_return = true;
        self
    }

    /// Where in the file the 16-bit reference counter is, which is above 0 while the link is there.
    /// Since Linux 4.20.
    pub fn ref_ctr_offset(mut self, offset: u32) -> Self {
        self.ref_ctr_offset = Some(offset);
        self
    }

    /// Only in the process with this id in the caller's PID namespace; 0 for the calling thread.
    pub fn pid(mut self, pid: u32) -> Self {
        self.pid = Some(pid);
        self
    }

    pub(super) fn open(&self) -> Result<PerfEvent> {
        let path = CString::new(self.path.as_os_str().as_bytes()).map_err(|_| {
            bpf_link::Error::PathHasNul {
                path: self.path.to_owned(),
            }
        })?;
        let source = EventSource::find("uprobe")?;
        let mut config = retprobe(&source, self.on_return)?;
        if let Some(offset) = self.ref_ctr_offset.filter(|offset| *offset != 0) {
            config |= u64::from(offset) << source.first_bit("ref_ctr_offset")?;
        }
        let config = PerfEventConfig::new(source.event_type, config).probe(&path, self.offset);
        let config = match self.pid {
            Some(pid) => config.process(pid),
            None => config,
        };
        PerfEvent::open(&config).map_err(|source| match source.errno() {
            Some(errno @ libc::ENOENT) => missing_file(self.path, errno),
            _ => source.naming(self.target()).into(),
        })
    }

    fn target(&self) -> Target {
        Target::File {
            path: Some(self.path.to_owned()),
            offsets: FirstOf::these([self.offset]),
            process: self.pid,
        }
    }
}

/// The bit of an event's configuration that makes it one of returns.
fn retprobe(source: &EventSource, on_return: bool) -> Result<u64> {
    if on_return {
        Ok(1 << source.first_bit("retprobe")?)
    } else {
        Ok(0)
    }
}

/// A counter of the hardware or the kernel.
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is attached yet"]
pub struct CounterEvent {
    config: PerfEventConfig<'static>,
}

impl CounterEvent {
    /// What this type (`PERF_TYPE_*`) and configuration (`PERF_COUNT_*`) count, of every process,
    /// on the first processor. The program runs each time that it has counted this far.
    pub fn new(event_type: u32, config: u64, sample_period: u64) -> Self {
        Self {
            config: PerfEventConfig::new(event_type, config).sample_period(sample_period),
        }
    }

    /// Of this process only, on every processor; 0 for the calling thread.
    pub fn pid(mut self, pid: u32) -> Self {
        self.config = self.config.process(pid);
        self
    }

    /// On this processor only.
    pub fn processor(mut self, processor: u32) -> Self {
        self.config = self.config.processor(processor);
        self
    }

    pub(super) fn open(&self) -> Result<PerfEvent> {
        Ok(PerfEvent::open(&self.config)?)
    }

    fn target(&self) -> Target {
        self.config.target()
    }
}
