//! Work in another network namespace.

use std::fs::{File, OpenOptions};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use bpf_link::{NetnsThread, Target};

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
        self.enter()?.run(work)
    }

    /// Starts a thread there.
    pub(crate) fn enter(&self) -> Result<NetnsThread> {
        match self {
            Self::Path(path) => Self::enter_file(path, &Self::open(path)?),
            Self::Fd(file) => Self::enter_file(&self.path(), file),
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

    /// Starts a thread in the namespace of this file, which was opened by this path.
    pub(crate) fn enter_file(path: &Path, file: &impl AsFd) -> Result<NetnsThread> {
        let thread = NetnsThread::enter(file);
        thread.map_err(|error| Error::from(error.naming(Target::Netns(path.to_owned()))))
    }
}
