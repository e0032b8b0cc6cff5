//! The process that has a lock, as `/proc/locks` tells.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::fd::{AsFd as _, OwnedFd};

use crate::sys;

/// The process that has locked this directory: the one that took the lock, though it may have
/// passed its descriptor on since. `None` if that does not show.
pub(super) fn of(directory: &OwnedFd) -> Option<u32> {
    /// If the list changes between two reads, a line may be missing that was there all the time.
    const ATTEMPTS: usize = 3;
    /// The kernel fills at most a page per read, so this is large enough.
    const BUFFER: usize = 64 << 10;
    let file = sys::open_file_id(directory.as_fd()).ok()?.in_proc_locks();
    (0..ATTEMPTS).find_map(|_| {
        let locks = BufReader::with_capacity(BUFFER, File::open("/proc/locks").ok()?);
        in_locks(locks.lines().map_while(Result::ok), &file)
    })
}

/// What a line such as `1: FLOCK ADVISORY WRITE 1234 00:2f:56 0 EOF` says about this file. One that
/// waits has `->` before the sort of its lock.
fn in_locks(mut locks: impl Iterator<Item = impl AsRef<str>>, file: &str) -> Option<u32> {
    locks.find_map(|line| {
        let mut words = line.as_ref().split_ascii_whitespace().skip(1);
        if words.next()? != "FLOCK" {
            return None;
        }
        let (process, locked) = (words.nth(2)?, words.next()?);
        // 0 if it is in another PID namespace.
        let process = process.parse().ok().filter(|process| *process != 0)?;
        (locked == file).then_some(process)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCKS: &str = "\
1: POSIX  ADVISORY  WRITE 11 00:2f:7 0 EOF
2: FLOCK  ADVISORY  WRITE 0 00:2f:8 0 EOF
3: FLOCK  ADVISORY  READ  13 08:01:9 0 EOF
3: -> FLOCK  ADVISORY  WRITE 14 08:01:10 0 EOF
4: FLOCK  ADVISORY  WRITE 15 00:2f:7 0 EOF
";

    #[test]
    fn the_one_that_has_it_is_told() {
        assert_eq!(in_locks(LOCKS.lines(), "00:2f:7"), Some(15));
        assert_eq!(in_locks(LOCKS.lines(), "08:01:9"), Some(13));
        assert_eq!(in_locks(LOCKS.lines(), "00:2f:8"), None);
        assert_eq!(in_locks(LOCKS.lines(), "08:01:10"), None);
        assert_eq!(in_locks("".lines(), "00:2f:7"), None);
    }
}
