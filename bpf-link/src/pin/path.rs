//! A path on a bpffs that goes on meaning the same when the working directory changes.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf, absolute};

use crate::error::{Command, CommandError, Error, Result, Target};
use crate::sys;

/// An absolute path, or one that is relative to a directory that is kept open.
#[derive(Debug)]
pub(crate) struct PinPath {
    dir: Option<OwnedFd>,
    path: CString,
}

impl PinPath {
    /// A path, from the working directory of this moment if it is relative.
    #[inline]
    pub(crate) fn new(path: &Path) -> Result<Self> {
        // The kernel has an error of its own for the empty path.
        let path = if path.is_absolute() || path.as_os_str().is_empty() {
            c_path(path)
        } else {
            c_path_from_here(path)
        };
        Ok(Self {
            dir: None,
            path: path?,
        })
    }

    /// The path of a name in the directory at this absolute path.
    pub(crate) fn in_directory(directory: &Path, name: &OsStr) -> Result<Self> {
        let directory = directory.as_os_str().as_bytes();
        let mut path = Vec::with_capacity(directory.len() + name.len() + 2);
        path.extend_from_slice(directory);
        path.push(b'/');
        path.extend_from_slice(name.as_bytes());
        match CString::new(path) {
            Ok(path) => Ok(Self { dir: None, path }),
            Err(error) => Err(has_nul(Path::new(OsStr::from_bytes(&error.into_vec())))),
        }
    }

    /// A path from this directory.
    pub(crate) fn new_at(dir: BorrowedFd<'_>, path: &Path) -> Result<Self> {
        if path.is_absolute() {
            return Self::new(path);
        }
        let c_path = c_path(path)?;
        let dir = dir.try_clone_to_owned().map_err(|source| {
            CommandError::new(Command::Duplicate, Target::path(path), source).classify()
        })?;
        Ok(Self {
            dir: Some(dir),
            path: c_path,
        })
    }

    pub(crate) fn dir(&self) -> Option<BorrowedFd<'_>> {
        self.dir.as_ref().map(AsFd::as_fd)
    }

    pub(crate) fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(self.path.to_bytes()))
    }

    /// The end of the path that is this name.
    pub(crate) fn tail(&self, name: &OsStr) -> &CStr {
        let path = self.path.to_bytes_with_nul();
        let from = path.len().saturating_sub(name.len() + 1);
        let tail = path.get(from..).map(CStr::from_bytes_with_nul);
        tail.and_then(std::result::Result::ok).unwrap_or(&self.path)
    }

    pub(crate) fn target(&self) -> Target {
        Target::path(self.path())
    }

    /// `BPF_OBJ_GET`.
    pub(crate) fn get(&self) -> io::Result<OwnedFd> {
        self.or_through_procfs(sys::obj_get)
    }

    /// `BPF_OBJ_PIN`.
    pub(crate) fn pin(&self, link: BorrowedFd<'_>) -> io::Result<()> {
        self.or_through_procfs(|dir, path| sys::obj_pin(link, dir, path))
    }

    pub(crate) fn unlink(&self) -> io::Result<()> {
        sys::unlink(self.dir(), &self.path)
    }

    pub(crate) fn rename_to(&self, new: &Self) -> io::Result<()> {
        sys::rename_no_replace((self.dir(), &self.path), (new.dir(), &new.path))
    }

    pub(crate) fn rename_over(&self, new: &Self) -> io::Result<()> {
        sys::rename_over((self.dir(), &self.path), (new.dir(), &new.path))
    }

    /// The file itself, not what a symbolic link leads to.
    pub(crate) fn file_id(&self) -> io::Result<sys::FileId> {
        sys::file_id(self.dir(), &self.path)
    }

    pub(crate) fn is_on_bpffs(&self) -> io::Result<bool> {
        sys::is_on_bpffs(self.dir(), &self.path)
    }

    pub(crate) fn parent_is_on_bpffs(&self) -> io::Result<bool> {
        let (parent, _) = self.split()?;
        sys::is_on_bpffs(self.dir(), &parent)
    }

    /// Whether both are the same name in the same directory, however they are spelled.
    pub(crate) fn is_same_as(&self, other: &Self) -> Result<bool> {
        // What ends in no name is no place for a pin: who uses it as one is told so.
        let (Ok((parent, name)), Ok((other_parent, other_name))) = (self.split(), other.split())
        else {
            return Ok(false);
        };
        if name != other_name {
            return Ok(false);
        }
        Ok(self.directory_id(&parent)? == other.directory_id(&other_parent)?)
    }

    /// A directory, by its path with a slash at the end: that has it followed if it is a symbolic
    /// link.
    fn directory_id(&self, parent: &CStr) -> Result<sys::FileId> {
        sys::file_id(self.dir(), parent).map_err(|source| {
            let error = CommandError::new(Command::Stat, self.target(), source);
            match error.errno() {
                Some(libc::ENOENT) => Error::PathNotFound(error),
                _ => error.classify(),
            }
        })
    }

    /// The directory, with a slash at its end, and the name in it.
    pub(crate) fn split(&self) -> io::Result<(CString, &OsStr)> {
        let path = self.path();
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let mut parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        parent.push("");
        Ok((CString::new(parent.into_os_string().into_vec())?, name))
    }

    /// A command of `bpf(2)` on this path. Kernels before Linux 6.5 take no directory and answer
    /// `EINVAL`, which has no other cause here; for them the directory goes into the path.
    fn or_through_procfs<T>(
        &self,
        command: impl Fn(Option<BorrowedFd<'_>>, &CStr) -> io::Result<T>,
    ) -> io::Result<T> {
        let refusal = match (command(self.dir(), &self.path), &self.dir) {
            (Err(error), Some(dir)) if error.raw_os_error() == Some(libc::EINVAL) => (error, dir),
            (answer, _) => return answer,
        };
        let (error, dir) = refusal;
        let procfs_dir = Path::new("/proc/self/fd").join(dir.as_raw_fd().to_string());
        if !procfs_dir.exists() {
            return Err(error);
        }
        let path = CString::new(procfs_dir.join(self.path()).into_os_string().into_vec())?;
        command(None, &path)
    }
}

#[inline]
fn c_path(path: &Path) -> Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| has_nul(path))
}

/// A relative path from the working directory of this moment.
fn c_path_from_here(path: &Path) -> Result<CString> {
    let absolute = absolute(path).map_err(|source| {
        CommandError::new(Command::CurrentDirectory, Target::path(path), source).classify()
    })?;
    c_path(&absolute)
}

#[cold]
fn has_nul(path: &Path) -> Error {
    Error::PathHasNul {
        path: path.to_owned(),
    }
}
