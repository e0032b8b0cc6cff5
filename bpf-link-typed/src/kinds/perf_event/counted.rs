//! Which threads and processors there are to count.

use std::io;
use std::path::Path;

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
pub(super) fn processors() -> Result<Vec<u32>> {
    const PATH: &str = "/sys/devices/system/cpu/online";
    std::fs::read_to_string(PATH)
        .and_then(|list| numbers(&list).ok_or_else(|| io::ErrorKind::InvalidData.into()))
        .map_err(|source| Error::File {
            path: PATH.into(),
            source,
        })
}

/// The numbers in a list of ranges, such as `0-2,5`. The kernel has fewer than 100,000 processors.
fn numbers(ranges: &str) -> Option<Vec<u32>> {
    const LIMIT: u32 = 100_000;
    let mut numbers = Vec::new();
    for range in ranges.trim_end().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (first.parse::<u32>().ok()?, last.parse::<u32>().ok()?);
        if last >= LIMIT {
            return None;
        }
        numbers.extend(first..=last);
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        assert_eq!(numbers("0\n"), Some(vec![0]));
        assert_eq!(numbers("0-2,5,7-8\n"), Some(vec![0, 1, 2, 5, 7, 8]));
        for wrong in ["", "\n", "0-", "a", "0-4294967295", "0,,1"] {
            assert_eq!(numbers(wrong), None, "{wrong:?}");
        }
    }
}
