//! What the kernel tells about tracing in files.

mod text;

use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, UntraceableSymbols};

/// Where tracefs is mounted, as a rule.
const TRACEFS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
/// Where the kernel describes the sorts of perf events.
const EVENT_SOURCES: &str = "/sys/bus/event_source/devices";

/// The number of a tracepoint, from tracefs: where that is said to be mounted, or is as a rule.
pub(crate) fn tracepoint_id(tracefs: Option<&Path>, category: &str, name: &str) -> Result<u64> {
    let root = match tracefs {
        Some(root) => root.to_owned(),
        None => mounted()?,
    };
    let events = root.join("events");
    let path = events.join(category).join(name).join("id");
    let is_name = |text: &str| !text.is_empty() && !text.contains('/') && text != "..";
    match read_number(&path) {
        Ok(id) => Ok(id),
        Err(source) => {
            let no_such = source.kind() == io::ErrorKind::NotFound || !is_name(name);
            let error = Error::File { path, source };
            if no_such && events.is_dir() {
                Err(Error::NoSuchTracepoint {
                    tracepoint: format!("{category}:{name}"),
                    source: Box::new(error),
                })
            } else {
                Err(error)
            }
        }
    }
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
}

impl EventSource {
    pub(crate) fn find(name: &'static str) -> Result<Self> {
        let directory = Path::new(EVENT_SOURCES).join(name);
        let path = directory.join("type");
        match read_number(&path) {
            Ok(event_type) => Ok(Self {
                directory,
                event_type,
            }),
            Err(source) => {
                let is_missing = source.kind() == io::ErrorKind::NotFound;
                if is_missing && Path::new(EVENT_SOURCES).is_dir() {
                    Err(Error::NoEventSource { name, source })
                } else {
                    Err(Error::File { path, source })
                }
            }
        }
    }

    /// At which bit of an event's configuration a field begins.
    pub(crate) fn first_bit(&self, field: &str) -> Result<u32> {
        let path = self.directory.join("format").join(field);
        let failed = |source| Error::File {
            path: path.clone(),
            source,
        };
        let format = std::fs::read_to_string(&path).map_err(failed)?;
        text::first_bit(&format).ok_or_else(|| failed(io::ErrorKind::InvalidData.into()))
    }
}

fn read_number<T: std::str::FromStr>(path: &Path) -> io::Result<T> {
    let text = std::fs::read_to_string(path)?;
    text::number(&text).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Which of these functions the kernel cannot trace together.
pub(crate) fn untraceable(symbols: &[&CStr]) -> UntraceableSymbols {
    let mut once = HashSet::new();
    let mut duplicate = Vec::new();
    for symbol in symbols {
        if !once.insert(symbol.to_bytes()) && !duplicate.contains(&CString::from(*symbol)) {
            duplicate.push((*symbol).to_owned());
        }
    }
    let unknown = each_once(symbols, unknown(once).unwrap_or_default());
    UntraceableSymbols { unknown, duplicate }
}

/// The symbols that are among these names, in their order.
fn each_once(symbols: &[&CStr], mut names: HashSet<&[u8]>) -> Vec<CString> {
    let symbols = symbols.iter().copied();
    let found = symbols.filter(|symbol| names.remove(symbol.to_bytes()));
    found.map(CStr::to_owned).collect()
}

/// Those that the kernel has no function for that it can trace, as far as it shows.
fn unknown(symbols: HashSet<&[u8]>) -> io::Result<HashSet<&[u8]>> {
    let kallsyms = std::fs::read("/proc/kallsyms")?;
    let functions = mounted()
        .ok()
        .and_then(|root| std::fs::read(root.join("available_filter_functions")).ok());
    Ok(text::unknown(symbols, &kallsyms, functions.as_deref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicates_are_found() {
        let found = untraceable(&[c"b", c"a", c"b", c"b", c"a"]);
        assert_eq!(found.duplicate, [c"b".to_owned(), c"a".to_owned()]);
    }

    #[test]
    fn a_name_that_is_given_twice_is_listed_once() {
        let unknown = HashSet::from([&b"x"[..], b"y"]);
        let found = each_once(&[c"x", c"known", c"y", c"x"], unknown);
        assert_eq!(found, [c"x".to_owned(), c"y".to_owned()]);
    }
}
