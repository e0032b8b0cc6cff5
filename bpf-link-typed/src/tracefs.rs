//! What the kernel tells about tracing in files.

use std::collections::{HashMap, HashSet};
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

    /// At which bit of an event's configuration a field begins: `config:0` or `config:32-63` in its file.
    pub(crate) fn first_bit(&self, field: &str) -> Result<u32> {
        let path = self.directory.join("format").join(field);
        let failed = |source| Error::File {
            path: path.clone(),
            source,
        };
        let format = std::fs::read_to_string(&path).map_err(failed)?;
        let bits = format.trim().strip_prefix("config:");
        let first = bits.and_then(|bits| bits.split('-').next()?.parse().ok());
        match first {
            Some(bit @ 0..64) => Ok(bit),
            _ => Err(failed(io::ErrorKind::InvalidData.into())),
        }
    }
}

fn read_number<T: std::str::FromStr>(path: &Path) -> io::Result<T> {
    let text = std::fs::read_to_string(path)?;
    text.trim()
        .parse()
        .map_err(|_| io::ErrorKind::InvalidData.into())
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
    let unknown = unknown(once).unwrap_or_default();
    let in_order = |symbol: &&&CStr| unknown.contains(symbol.to_bytes());
    let mut unknown: Vec<CString> = symbols
        .iter()
        .filter(in_order)
        .map(|symbol| (*symbol).to_owned())
        .collect();
    unknown.dedup();
    UntraceableSymbols { unknown, duplicate }
}

/// Those that the kernel has no function for that it can trace, as far as it shows.
fn unknown(symbols: HashSet<&[u8]>) -> io::Result<HashSet<&[u8]>> {
    let kallsyms = std::fs::read("/proc/kallsyms")?;
    let functions = mounted()
        .ok()
        .and_then(|root| std::fs::read(root.join("available_filter_functions")).ok());
    Ok(unknown_in(symbols, &kallsyms, functions.as_deref()))
}

/// The same in these lists: of symbols, with an address, a letter and a name in each line, and of functions that can be
/// traced, each with its name in front.
fn unknown_in<'a>(
    mut symbols: HashSet<&'a [u8]>,
    kallsyms: &[u8],
    functions: Option<&[u8]>,
) -> HashSet<&'a [u8]> {
    let all = || lines(kallsyms).filter_map(|mut words| Some((words.next()?, words.nth(1)?)));
    let Some(functions) = functions else {
        for (_, name) in all() {
            symbols.remove(name);
        }
        return symbols;
    };
    let functions: HashSet<&[u8]> = lines(functions)
        .filter_map(|mut words| words.next())
        .collect();
    symbols.retain(|symbol| !functions.contains(symbol));
    // The list has one name for each function, and some have more. All are at one address, unless that is hidden.
    let mut names: HashMap<&[u8], Vec<&[u8]>> = HashMap::new();
    for (address, name) in all() {
        if symbols.contains(name) {
            names.entry(address).or_default().push(name);
        }
    }
    for (address, name) in all() {
        let is_hidden = address.iter().all(|digit| *digit == b'0');
        if is_hidden || functions.contains(name) {
            for name in names.remove(address).unwrap_or_default() {
                symbols.remove(name);
            }
        }
    }
    symbols
}

/// The words of each line.
fn lines(text: &[u8]) -> impl Iterator<Item = impl Iterator<Item = &[u8]>> {
    let is_space = |byte: &u8| *byte == b' ' || *byte == b'\t';
    text.split(|byte| *byte == b'\n')
        .map(move |line| line.split(is_space).filter(|word| !word.is_empty()))
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
    fn unknown_symbols_are_found() {
        const SYMBOLS: &[u8] =
            b"10 T vfs_read\n20 t in_module\t[module]\n30 T one\n30 T other\n40 T notrace\n";
        const HIDDEN: &[u8] = b"00 T vfs_read\n00 T one\n00 T other\n00 T notrace\n";
        const FUNCTIONS: &[u8] = b"vfs_read\nin_module [module]\none\n";
        let find = |kallsyms, functions| {
            let asked: [&[u8]; 5] = [b"vfs_read", b"T", b"other", b"notrace", b"one"];
            let mut found: Vec<_> = unknown_in(asked.into(), kallsyms, functions)
                .into_iter()
                .map(String::from_utf8_lossy)
                .collect();
            found.sort();
            found.join(" ")
        };
        assert_eq!(find(SYMBOLS, None), "T");
        assert_eq!(find(SYMBOLS, Some(FUNCTIONS)), "T notrace");
        assert_eq!(find(HIDDEN, Some(FUNCTIONS)), "T");
        assert_eq!(find(b"", Some(b"")), "T notrace one other vfs_read");
    }
}
