//! What the kernel tells about tracing in files.

pub(crate) mod text;

use std::ffi::CString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use bpf_link::Target;

use crate::attach::lockdown;
use crate::error::{Error, Result};

/// The usual places of tracefs.
const TRACEFS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
/// Where the kernel describes the sorts of perf events.
const EVENT_SOURCES: &str = "/sys/bus/event_source/devices";

/// A tracepoint, by its category and its name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tracepoint<'a> {
    pub(crate) category: &'a str,
    pub(crate) name: &'a str,
    /// Where tracefs is mounted; without it, tracefs is looked for in the usual places.
    pub(crate) tracefs: Option<&'a Path>,
}

impl Tracepoint<'_> {
    /// Its number.
    pub(crate) fn id(&self) -> Result<u64> {
        let Self { category, name, .. } = *self;
        if !text::is_name(category) || !text::is_name(name) {
            return Err(Error::TracepointName {
                tracepoint: self.to_string(),
            });
        }
        let failed = |error| not_looked_up(self.target(), error);
        let events = self.events().map_err(failed)?;
        let path = events.join(category).join(name).join("id");
        match read_number(&path) {
            Ok(id) => Ok(id),
            Err(source) => {
                let no_such = source.kind() == io::ErrorKind::NotFound;
                let error = Error::File { path, source };
                if no_such && events.is_dir() {
                    Err(Error::NoSuchTracepoint {
                        tracepoint: self.to_string(),
                        source: Box::new(error),
                    })
                } else {
                    Err(lockdown::or_other(failed(error)))
                }
            }
        }
    }

    /// What errors call it.
    pub(crate) fn target(&self) -> Target {
        Target::Tracepoint(CString::new(self.to_string()).ok())
    }

    /// How many bytes its record has, if that can be told.
    pub(crate) fn record_size(&self) -> Option<u32> {
        let directory = self.events().ok()?.join(self.category).join(self.name);
        let format = std::fs::read_to_string(directory.join("format")).ok()?;
        text::record_size(&format)
    }

    fn events(&self) -> Result<PathBuf> {
        file(self.tracefs, "events")
    }
}

impl fmt::Display for Tracepoint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.category, self.name)
    }
}

/// A file of tracefs, which is mounted where the caller says, or else in one of the usual places.
pub(crate) fn file(tracefs: Option<&Path>, name: &str) -> Result<PathBuf> {
    let root = match tracefs {
        Some(root) => root.to_owned(),
        None => mounted()?,
    };
    Ok(root.join(name))
}

fn mounted() -> Result<PathBuf> {
    let mut last = None;
    for root in TRACEFS {
        let path = Path::new(root).join("events");
        match std::fs::metadata(&path) {
            Ok(_) => return Ok(root.into()),
            Err(source) => last = Some(last.unwrap_or(Error::File { path, source })),
        }
    }
    Err(last.unwrap_or_else(|| Error::File {
        path: PathBuf::new(),
        source: io::ErrorKind::NotFound.into(),
    }))
}

/// A sort of perf events that the kernel numbers when it starts: `kprobe` or `uprobe`.
pub(crate) struct EventSource {
    directory: PathBuf,
    /// The number.
    pub(crate) event_type: u32,
    /// What is to be probed.
    target: Target,
}

impl EventSource {
    pub(crate) fn find(name: &'static str, target: Target) -> Result<Self> {
        let directory = Path::new(EVENT_SOURCES).join(name);
        let path = directory.join("type");
        match read_number(&path) {
            Ok(event_type) => Ok(Self {
                directory,
                event_type,
                target,
            }),
            Err(source) => {
                let is_missing = source.kind() == io::ErrorKind::NotFound;
                if is_missing && Path::new(EVENT_SOURCES).is_dir() {
                    Err(Error::NoEventSource {
                        name,
                        target,
                        source,
                    })
                } else {
                    Err(not_looked_up(target, Error::File { path, source }))
                }
            }
        }
    }

    /// The bit of an event's configuration that makes it one of returns, if it is to be one.
    pub(crate) fn retprobe(&self, on_return: bool) -> Result<u64> {
        if on_return {
            Ok(1 << self.first_bit("retprobe")?)
        } else {
            Ok(0)
        }
    }

    /// At which bit of an event's configuration a field begins.
    pub(crate) fn first_bit(&self, field: &str) -> Result<u32> {
        let path = self.directory.join("format").join(field);
        let failed = |source| {
            let path = path.clone();
            not_looked_up(self.target.clone(), Error::File { path, source })
        };
        let format = std::fs::read_to_string(&path).map_err(failed)?;
        text::first_bit(&format).ok_or_else(|| failed(io::ErrorKind::InvalidData.into()))
    }
}

/// The error for an event whose description in the kernel's files cannot be read.
fn not_looked_up(target: Target, source: Error) -> Error {
    Error::EventLookup {
        target,
        source: Box::new(source),
    }
}

pub(crate) fn read_number<T: std::str::FromStr>(path: &Path) -> io::Result<T> {
    let text = std::fs::read_to_string(path)?;
    text::number(&text).ok_or_else(|| io::ErrorKind::InvalidData.into())
}
