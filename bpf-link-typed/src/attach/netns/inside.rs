//! Work in another network namespace.

use std::fs::{File, OpenOptions};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use bpf_link::Target;

use crate::attach::file_ref::by_descriptor;
use crate::attach::netns::Netns;
use crate::error::{Error, Result};

impl Netns {
    /// Opens the file of a namespace. If there is a FIFO instead, it is not waited for.
    pub(crate) fn open(path: &Path) -> Result<File> {
        let mut options = OpenOptions::new();
        options
            .read(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
        options.open(path).map_err(|source| Error::File {
            path: path.to_owned(),
            source,
        })
    }

    /// Does something in the namespace.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        match self {
            Self::Path(path) => Self::inside_file(path, &Self::open(path)?, work)?,
            Self::Fd(file) => Self::inside_file(&self.path(), file, work)?,
        }
    }

    /// Its file, as errors name it.
    fn path(&self) -> PathBuf {
        match self {
            Self::Path(path) => path.clone(),
            Self::Fd(file) => by_descriptor(file.as_fd()),
        }
    }

    /// What errors call something in the namespace.
    pub(crate) fn target_of(&self, target: Target) -> Target {
        Target::InNetns {
            target: Box::new(target),
            netns: self.path(),
        }
    }

    /// Does something in the namespace of this file, which was opened by this path.
    pub(crate) fn inside_file<T: Send>(
        path: &Path,
        file: &impl AsFd,
        work: impl FnOnce() -> T + Send,
    ) -> Result<T> {
        let done = bpf_link::in_netns(file, work);
        done.map_err(|error| Error::from(error.naming(Target::Netns(path.to_owned()))))
    }
}
