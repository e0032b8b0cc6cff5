//! The root directory that paths are looked up from: the caller's, or that of a container.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::attach::file_ref::by_descriptor;
use crate::error::{Error, Result};

/// A root directory.
#[derive(Debug)]
pub(super) enum Root {
    /// The caller's.
    Own,
    /// Another one, and what errors call it.
    Other(File, PathBuf),
}

impl Root {
    /// Another one.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let directory = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_DIRECTORY | libc::O_NONBLOCK)
            .open(path);
        match directory {
            Ok(directory) => Ok(Self::Other(directory, path.to_owned())),
            Err(source) => Err(Error::File {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// Opens a file for reading; neither a path with `..` nor a symbolic link leads out of another
    /// root. A FIFO is not waited for.
    pub(super) fn open_file(&self, path: &Path) -> io::Result<File> {
        match self {
            Self::Own => OpenOptions::new()
                .read(true)
                .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
                .open(path),
            Self::Other(root, _) => match bpf_link::open_in_root(root, path) {
                Ok(file) => Ok(File::from(file)),
                Err(error) => Err(match error.errno() {
                    Some(errno) => io::Error::from_raw_os_error(errno),
                    None => io::ErrorKind::InvalidInput.into(),
                }),
            },
        }
    }

    /// The names in a directory. The list is empty if the directory cannot be read.
    pub(super) fn names_in(&self, directory: &Path) -> Vec<PathBuf> {
        /// More than the default directories have.
        const MOST: usize = 1 << 16;
        let opened = match self {
            Self::Own => std::fs::read_dir(directory),
            Self::Other(..) => self
                .open_file(directory)
                .and_then(|directory| std::fs::read_dir(by_descriptor(&directory))),
        };
        let names = opened.into_iter().flatten().take(MOST);
        let mut names: Vec<_> = names
            .filter_map(|entry| Some(PathBuf::from(entry.ok()?.file_name())))
            .collect();
        names.sort();
        names
    }

    /// What errors call a file in it.
    pub(super) fn name(&self, path: &Path) -> PathBuf {
        match self {
            Self::Own => path.to_owned(),
            Self::Other(_, root) => root.join(path.strip_prefix("/").unwrap_or(path)),
        }
    }
}
