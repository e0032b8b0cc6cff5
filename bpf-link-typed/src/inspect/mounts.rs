//! What is mounted in this mount namespace, as far as it can be seen from this process's root.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

/// What is mounted in the mount namespace of this process, and can be seen from its root.
#[derive(Clone, Debug)]
pub struct Mounts(Vec<Mount>);

/// A mount.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mount {
    /// Where it is mounted.
    pub path: PathBuf,
    /// The `st_dev` of its files.
    pub device: u64,
    file_system: Vec<u8>,
}

impl Mounts {
    pub(super) const TABLE: &str = "/proc/self/mountinfo";

    /// Reads the table of mounts.
    ///
    /// # Errors
    ///
    /// `/proc/self/mountinfo` cannot be read, as where no procfs is mounted (`ENOENT`).
    pub fn read() -> io::Result<Self> {
        Ok(Self(parse(&fs::read(Self::TABLE)?)))
    }

    /// The mounts of this type of file system, such as `bpf` or `cgroup2`, that are not covered by
    /// other mounts.
    pub fn of(&self, file_system: &str) -> impl Iterator<Item = Mount> {
        let mounts = self.0.iter();
        mounts
            .filter(move |mount| mount.file_system == file_system.as_bytes())
            .filter(|mount| {
                fs::symlink_metadata(&mount.path).is_ok_and(|found| found.dev() == mount.device)
            })
            .cloned()
    }
}

/// Reads the table: in each line a number, the parent's, the device, the root, the path, options, a
/// dash, and the file system.
fn parse(table: &[u8]) -> Vec<Mount> {
    let lines = table.split(|byte| *byte == b'\n');
    lines
        .filter_map(|line| {
            let mut words = line.split(|byte| *byte == b' ');
            let device = device(words.nth(2)?)?;
            let path = unescaped(words.nth(1)?);
            let mut words = words.skip_while(|word| *word != b"-");
            Some(Mount {
                path: OsString::from_vec(path).into(),
                device,
                file_system: words.nth(1)?.to_vec(),
            })
        })
        .collect()
}

/// Reads `253:17`.
fn device(text: &[u8]) -> Option<u64> {
    let (major, minor) = std::str::from_utf8(text).ok()?.split_once(':')?;
    Some(libc::makedev(major.parse().ok()?, minor.parse().ok()?))
}

/// Reads `a\040b`: spaces, tabs, line breaks and backslashes are written in octal digits.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut rest = text;
    let mut path = Vec::with_capacity(text.len());
    while let [first, after @ ..] = rest {
        let octal = match after {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] if *first == b'\\' => {
                Some((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'))
            }
            _ => None,
        };
        path.push(octal.unwrap_or(*first));
        rest = if octal.is_some() {
            after.get(3..).unwrap_or_default()
        } else {
            after
        };
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read() {
        const TABLE: &[u8] = b"\
            29 23 0:26 / /sys/fs/bpf rw,nosuid shared:9 master:3 - bpf bpf rw,mode=700\n\
            30 23 0:27 /sub /mnt/a\\040b\\134 rw - cgroup2 none rw\n\
            nonsense\n";
        let mounts = parse(TABLE);
        let [bpf, cgroup] = mounts.as_slice() else {
            panic!("{mounts:?}");
        };
        assert_eq!(bpf.path.to_str(), Some("/sys/fs/bpf"));
        assert_eq!(bpf.file_system, b"bpf");
        assert_eq!(bpf.device, libc::makedev(0, 26));
        assert_eq!(cgroup.path.to_str(), Some("/mnt/a b\\"));
        assert_eq!(cgroup.file_system, b"cgroup2");
    }
}
