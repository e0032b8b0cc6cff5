//! Files that programs are attached to: cgroups, network namespaces, and those with code in them.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use bpf_link::Target;

use crate::error::{Error, Result};

/// A file that a program is attached to: open, or by its path, which is looked up whenever a
/// program is attached.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum FileRef<'a> {
    /// An open file: a cgroup's directory, one such as `/proc/self/ns/net`, or an executable.
    Fd(BorrowedFd<'a>),
    /// Its path.
    Path(&'a Path),
}

impl<'a> FileRef<'a> {
    /// An open file.
    pub fn fd(file: &'a (impl AsFd + ?Sized)) -> Self {
        Self::Fd(file.as_fd())
    }

    /// A path.
    pub fn path(path: &'a (impl AsRef<Path> + ?Sized)) -> Self {
        Self::Path(path.as_ref())
    }

    /// The number by which the kernel knows the cgroup; `None` if it is not one of cgroup2.
    pub(crate) fn cgroup_id(self) -> Result<Option<u64>> {
        Ok(bpf_link::cgroup_id(&self.open()?)?)
    }

    /// The number by which the kernel knows the network namespace; `None` if it is not one.
    pub(crate) fn netns_inode(self) -> Result<Option<u64>> {
        Ok(bpf_link::netns_inode(&self.open()?)?)
    }

    /// What errors call it, once its path has been made into the target of that sort.
    pub(crate) fn target(self, of_path: impl FnOnce(PathBuf) -> Target) -> Target {
        match self {
            Self::Fd(_) => Target::Descriptor,
            Self::Path(path) => of_path(path.to_owned()),
        }
    }

    /// The path, if it was given as one.
    pub(crate) fn given_path(self) -> Option<PathBuf> {
        match self {
            Self::Fd(_) => None,
            Self::Path(path) => Some(path.to_owned()),
        }
    }

    /// Its path, or where it was opened as far as `/proc` tells.
    pub(crate) fn path_in_words(self) -> PathBuf {
        match self {
            Self::Fd(fd) => {
                let open = PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()));
                std::fs::read_link(&open).unwrap_or(open)
            }
            Self::Path(path) => path.to_owned(),
        }
    }

    pub(crate) fn open(self) -> Result<Opened<'a>> {
        match self {
            Self::Fd(fd) => Ok(Opened::Borrowed(fd)),
            Self::Path(path) => File::open(path)
                .map(|file| Opened::Owned(file.into()))
                .map_err(|source| Error::File {
                    path: path.to_owned(),
                    source,
                }),
        }
    }
}

/// The error that the kernel has found no file at this path.
pub(crate) fn missing_file(path: &Path, errno: i32) -> Error {
    Error::File {
        path: path.to_owned(),
        source: io::Error::from_raw_os_error(errno),
    }
}

impl<'a> From<BorrowedFd<'a>> for FileRef<'a> {
    fn from(fd: BorrowedFd<'a>) -> Self {
        Self::Fd(fd)
    }
}

impl<'a> From<&'a OwnedFd> for FileRef<'a> {
    fn from(fd: &'a OwnedFd) -> Self {
        Self::fd(fd)
    }
}

impl<'a> From<&'a File> for FileRef<'a> {
    fn from(file: &'a File) -> Self {
        Self::fd(file)
    }
}

impl<'a> From<&'a Path> for FileRef<'a> {
    fn from(path: &'a Path) -> Self {
        Self::Path(path)
    }
}

impl<'a> From<&'a str> for FileRef<'a> {
    fn from(path: &'a str) -> Self {
        Self::path(path)
    }
}

/// The file while it is attached to.
pub(crate) enum Opened<'a> {
    Borrowed(BorrowedFd<'a>),
    Owned(OwnedFd),
}

impl AsFd for Opened<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Borrowed(fd) => *fd,
            Self::Owned(fd) => fd.as_fd(),
        }
    }
}
