//! Files as a process has them mapped.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use super::library::is_named;
use super::root::Root;
use crate::attach::file_ref::by_descriptor;
use crate::error::{Error, Result};

/// A process, which is still the same when another one has got its id.
#[derive(Debug)]
pub(super) struct Process {
    directory: File,
    pid: u32,
}

/// A line of `maps`: `start-end permissions offset device inode path`.
#[derive(Debug, PartialEq, Eq)]
struct Mapping {
    range: String,
    path: PathBuf,
    is_deleted: bool,
}

impl Process {
    pub(super) fn open(pid: u32) -> Result<Self> {
        let path = PathBuf::from(format!("/proc/{pid}"));
        match File::open(&path) {
            Ok(directory) => Ok(Self { directory, pid }),
            Err(source) => Err(Error::File { path, source }),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        by_descriptor(&self.directory).join(name)
    }

    /// What errors call a file of it.
    fn name(&self, name: &str) -> PathBuf {
        format!("/proc/{}/{name}", self.pid).into()
    }

    /// The root directory that it has.
    pub(super) fn root(&self) -> Result<Root> {
        match Root::open(&self.path("root"))? {
            Root::Other(directory, _) => Ok(Root::Other(directory, self.name("root"))),
            own @ Root::Own => Ok(own),
        }
    }

    /// The program that it runs, and where that is below its root.
    pub(super) fn program(&self) -> Result<(File, PathBuf)> {
        let failed = |source| Error::File {
            path: self.name("exe"),
            source,
        };
        let path = std::fs::read_link(self.path("exe")).map_err(failed)?;
        let file = File::open(self.path("exe")).map_err(failed)?;
        Ok((file, path))
    }

    /// The library that it has mapped, and where that is below its root.
    pub(super) fn library(&self, name: &OsStr) -> Result<(File, Root, PathBuf)> {
        let mapping = self.find(name)?.ok_or_else(|| Error::NoSuchBinary {
            name: name.to_string_lossy().into_owned(),
            searched: self.name("maps"),
        })?;
        // The very file that is mapped, which the path may no longer lead to.
        let map_file = format!("map_files/{}", mapping.range);
        let source = match File::open(self.path(&map_file)) {
            Ok(file) => return Ok((file, self.root()?, mapping.path)),
            Err(source) => source,
        };
        // Only the most privileged may open that.
        let path = self.name(&map_file);
        if mapping.is_deleted {
            return Err(Error::File { path, source });
        }
        let root = self.root()?;
        match root.open_file(&mapping.path) {
            Ok(file) => Ok((file, root, mapping.path)),
            Err(_) => Err(Error::File { path, source }),
        }
    }

    /// The first mapping of a file of this name or path.
    fn find(&self, name: &OsStr) -> Result<Option<Mapping>> {
        /// Longer than the kernel writes one.
        const LONGEST: u64 = 64 << 10;
        let failed = |source| Error::File {
            path: self.name("maps"),
            source,
        };
        let maps = File::open(self.path("maps")).map_err(failed)?;
        let mut maps = BufReader::new(maps);
        let mut line = Vec::new();
        loop {
            line.clear();
            let mut limited = (&mut maps).take(LONGEST);
            if limited.read_until(b'\n', &mut line).map_err(failed)? == 0 {
                return Ok(None);
            }
            if let Some(mapping) = Mapping::parse(&line).filter(|mapping| mapping.is_of(name)) {
                return Ok(Some(mapping));
            }
        }
    }
}

impl Mapping {
    /// `None` for what is not a file.
    fn parse(line: &[u8]) -> Option<Self> {
        const DELETED: &[u8] = b" (deleted)";
        let mut rest = line.strip_suffix(b"\n").unwrap_or(line);
        let mut field = || {
            let (field, after) = rest.split_at_checked(memchr::memchr(b' ', rest)?)?;
            let spaces = after.iter().take_while(|byte| **byte == b' ');
            rest = after.get(spaces.count()..)?;
            std::str::from_utf8(field).ok()
        };
        let range = field()?.to_owned();
        for _ in ["permissions", "offset", "device", "inode"] {
            field()?;
        }
        if !rest.starts_with(b"/") {
            return None;
        }
        let (path, is_deleted) = match rest.strip_suffix(DELETED) {
            Some(path) => (path, true),
            None => (rest, false),
        };
        Some(Self {
            range: map_file_name(&range)?,
            path: unescaped(path),
            is_deleted,
        })
    }

    fn is_of(&self, name: &OsStr) -> bool {
        if name.as_bytes().contains(&b'/') {
            return self.path == Path::new(name);
        }
        let file_name = self.path.file_name();
        file_name.is_some_and(|file_name| is_named(file_name, name))
    }
}

/// The kernel writes the end of a line in a path as `\012`.
fn unescaped(path: &[u8]) -> PathBuf {
    const ESCAPED: &[u8] = b"\\012";
    let (mut rest, mut unescaped) = (path, Vec::with_capacity(path.len()));
    while let Some((first, after)) = rest.split_first() {
        let (byte, after) = match rest.strip_prefix(ESCAPED) {
            Some(after) => (b'\n', after),
            None => (*first, after),
        };
        unescaped.push(byte);
        rest = after;
    }
    OsString::from_vec(unescaped).into()
}

/// The name of a range in `map_files`, which has no zeros before it.
fn map_file_name(range: &str) -> Option<String> {
    let (start, end) = range.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    Some(format!("{:x}-{:x}", number(start)?, number(end)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_are_read() {
        let line =
            b"00400000-00452000 r-xp 00001000 08:02 173521      /usr/lib/a b.so.1 (deleted)\n";
        let mapping = Mapping::parse(line).expect("it is one of a file");
        assert_eq!(mapping.range, "400000-452000");
        assert_eq!(mapping.path, Path::new("/usr/lib/a b.so.1"));
        let is_of = |name: &str| mapping.is_of(name.as_ref());
        assert!(mapping.is_deleted && is_of("a b") && is_of("/usr/lib/a b.so.1"));
        let line = b"400000-452000 r-xp 00001000 08:02 173521 /a\xff\\012b.so";
        let mapping = Mapping::parse(line).expect("it is one of a file");
        assert_eq!(mapping.path.as_os_str().as_bytes(), b"/a\xff\nb.so");
        assert!(!mapping.is_deleted && mapping.is_of(OsStr::from_bytes(b"a\xff\nb")));
        for line in [
            "7ffc1000-7ffc2000 rw-p 00000000 00:00 0      [stack]\n",
            "7ffc1000-7ffc2000 rw-p 00000000 00:00 0 \n",
            "",
            "x",
        ] {
            assert_eq!(Mapping::parse(line.as_bytes()), None, "{line}");
        }
    }
}
