//! Which threads and processors there are to count.

use std::io;
use std::path::Path;

use crate::attach::tracefs::{read_number, text};
use crate::error::{Error, Result};

/// The threads of the process with this id, by theirs; 0 for the calling process.
pub(super) fn threads(pid: u32) -> Result<Vec<u32>> {
    let process = match pid {
        0 => "self".to_owned(),
        pid => pid.to_string(),
    };
    let path = Path::new("/proc").join(process).join("task");
    let number = |entry: io::Result<std::fs::DirEntry>| {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.parse().ok());
        number.ok_or_else(|| io::ErrorKind::InvalidData.into())
    };
    std::fs::read_dir(&path)
        .and_then(|entries| entries.map(number).collect())
        .map_err(|source| Error::File { path, source })
}

/// The processors that are online, by their numbers.
pub(crate) fn processors() -> Result<Vec<u32>> {
    const PATH: &str = "/sys/devices/system/cpu/online";
    std::fs::read_to_string(PATH)
        .and_then(|list| text::numbers(&list).ok_or_else(|| io::ErrorKind::InvalidData.into()))
        .map_err(|source| Error::File {
            path: PATH.into(),
            source,
        })
}

/// How many times in a second the kernel lets a counter run its program at most, if it says so.
pub(super) fn max_sample_rate() -> Option<u64> {
    read_number(Path::new("/proc/sys/kernel/perf_event_max_sample_rate")).ok()
}
