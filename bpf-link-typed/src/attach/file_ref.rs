//! Files that programs are attached to: cgroups, network namespaces, and those with code in them.

use std::borrow::Cow;
use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use bpf_link::Target;

use crate::attach::path_ref::from_paths;
use crate::error::{Error, Result};

/// A file that a program is attached to: open, or by its path, which is looked up whenever a
/// program is attached.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum FileRef<'a> {
    /// An open file: a cgroup's directory, one such as `/proc/self/ns/net`, or an executable.
    Fd(BorrowedFd<'a>),
    /// Its path.
    Path(Cow<'a, Path>),
}

impl<'a> FileRef<'a> {
    /// An open file.
    pub fn fd(file: &'a (impl AsFd + ?Sized)) -> Self {
        Self::Fd(file.as_fd())
    }

    /// A path.
    pub fn path(path: &'a (impl AsRef<Path> + ?Sized)) -> Self {
        Self::Path(Cow::Borrowed(path.as_ref()))
    }

    /// The number by which the kernel knows the cgroup; `None` if it is not one of cgroup2.
    pub(crate) fn cgroup_id(&self) -> Result<Option<u64>> {
        let id = bpf_link::cgroup_id(&self.open()?);
        Ok(id.map_err(|source| source.naming(self.target(Target::Cgroup)))?)
    }

    /// The error for a refusal by the kernel of this file, which was to be a cgroup.
    pub(crate) fn refused_as_cgroup(&self, source: bpf_link::Error) -> Error {
        let source = source.naming(self.target(Target::Cgroup));
        match source.errno() {
            Some(libc::EBADF) => Error::NotACgroup {
                path: self.given_path(),
                source,
            },
            _ => source.into(),
        }
    }

    /// The number by which the kernel knows the network namespace; `None` if it is not one.
    pub(crate) fn netns_inode(&self) -> Result<Option<u64>> {
        let inode = bpf_link::netns_inode(&self.open()?);
        Ok(inode.map_err(|source| source.naming(self.target(Target::Netns)))?)
    }

    /// Whether the kernel means this file by the path that it has written for a link; `None` where
    /// that cannot be told: a path of another mount namespace is not one of ours, and may lead to
    /// another file here.
    pub(crate) fn is_file_of_kernel(&self, found: &CStr) -> Option<bool> {
        let (path, wanted) = match self {
            Self::Fd(fd) => {
                let link = by_descriptor(fd);
                (std::fs::read_link(&link).ok()?, identity(&link)?)
            }
            Self::Path(path) => (std::fs::canonicalize(path).ok()?, identity(path)?),
        };
        // The file itself has to be at its path in our mounts.
        (identity(&path)? == wanted).then_some(())?;
        let found = identity(Path::new(OsStr::from_bytes(found.to_bytes())))?;
        Some(found == wanted)
    }

    /// What errors call it, once its path has been made into the target of that sort.
    pub(crate) fn target(&self, of_path: impl FnOnce(PathBuf) -> Target) -> Target {
        self.given_path().map_or(Target::Descriptor, of_path)
    }

    /// The path, if it was given as one.
    pub(crate) fn given_path(&self) -> Option<PathBuf> {
        match self {
            Self::Fd(_) => None,
            Self::Path(path) => Some(path.to_path_buf()),
        }
    }

    /// Its path, or where it was opened as far as `/proc` tells.
    pub(crate) fn path_in_words(&self) -> PathBuf {
        match self {
            Self::Fd(fd) => {
                let link = by_descriptor(fd);
                std::fs::read_link(&link).unwrap_or(link)
            }
            Self::Path(path) => path.to_path_buf(),
        }
    }

    /// Refuses a path that leads nowhere.
    pub(crate) fn check_exists(&self) -> Result<()> {
        match self {
            Self::Path(path) => match path.metadata() {
                Err(source) if source.kind() == io::ErrorKind::NotFound => Err(Error::File {
                    path: path.to_path_buf(),
                    source,
                }),
                _ => Ok(()),
            },
            Self::Fd(_) => Ok(()),
        }
    }

    pub(crate) fn open(&self) -> Result<Opened<'a>> {
        match self {
            Self::Fd(fd) => Ok(Opened::Borrowed(*fd)),
            Self::Path(path) => File::open(path)
                .map(|file| Opened::Owned(file.into()))
                .map_err(|source| Error::File {
                    path: path.to_path_buf(),
                    source,
                }),
        }
    }
}

/// What tells one file from another.
fn identity(path: &Path) -> Option<(u64, u64)> {
    let found = std::fs::metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

/// Whether the file is at this path now.
pub(crate) fn is_at(file: BorrowedFd<'_>, path: &Path) -> bool {
    identity(&by_descriptor(file)).is_some_and(|file| identity(path) == Some(file))
}

/// A path that leads to an open file, wherever that is.
pub(crate) fn by_descriptor(file: impl AsFd) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_fd().as_raw_fd()).into()
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

from_paths!(FileRef, path -> FileRef::Path(path));

/// The file while it is attached to.
pub(crate) enum Opened<'a> {
    Borrowed(BorrowedFd<'a>),
    Owned(OwnedFd),
}

impl Opened<'_> {
    /// A descriptor of its own.
    pub(crate) fn into_owned(self) -> Result<OwnedFd> {
        match self {
            Self::Owned(fd) => Ok(fd),
            Self::Borrowed(fd) => fd.try_clone_to_owned().map_err(|source| Error::File {
                path: by_descriptor(fd),
                source,
            }),
        }
    }
}

impl AsFd for Opened<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Borrowed(fd) => *fd,
            Self::Owned(fd) => fd.as_fd(),
        }
    }
}
