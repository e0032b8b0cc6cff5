//! Network namespaces by their inodes.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bpf_link::Target;

use crate::attach::netns::Netns;
use crate::error::{Error, Result};
use crate::inspect::mounts::Mounts;

const PROCESSES: &str = "/proc";

/// The network namespaces that can be found: those that are mounted somewhere, as `ip netns` does,
/// and those that a process is in.
#[derive(Debug, Default)]
pub(super) struct Namespaces(Mutex<Option<Arc<Found>>>);

#[derive(Debug, Default)]
pub(super) struct Found {
    /// A file of each.
    pub(super) files: BTreeMap<u64, Arc<Path>>,
    /// Why there may be more.
    pub(super) unread: Option<Arc<Error>>,
}

impl Namespaces {
    pub(super) fn all(&self) -> Arc<Found> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.get_or_insert_with(|| Arc::new(Found::find())))
    }

    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

/// Does something in the network namespace with this inode, of which this is a file; `None` if that
/// has become another file.
pub(super) fn inside<T: Send>(
    netns: u64,
    file: &Path,
    work: impl FnOnce() -> bpf_link::Result<T> + Send,
) -> Result<Option<T>> {
    let opened = match Netns::open(file) {
        Ok(opened) => opened,
        Err(Error::File { source, .. }) if is_gone(&source) => return Ok(None),
        Err(error) => return Err(error),
    };
    let inode = bpf_link::netns_inode(&opened);
    let inode = inode.map_err(|error| error.naming(Target::Netns(file.to_owned())))?;
    if inode != Some(netns) {
        return Ok(None);
    }
    Ok(Some(Netns::enter_file(file, &opened)?.run(work)?))
}

impl Found {
    fn find() -> Self {
        let mut found = Self::default();
        match Mounts::read() {
            // Namespaces of other sorts have other inodes, so they do no harm here.
            Ok(mounts) => {
                for mount in mounts.of("nsfs") {
                    found.meet(mount.path);
                }
            }
            Err(error) => found.refuse(Mounts::TABLE.into(), error),
        }
        match fs::read_dir(PROCESSES) {
            Ok(entries) => {
                for entry in entries.flatten() {
                    let name = entry.file_name();
                    let is_process = name.as_encoded_bytes().iter().all(u8::is_ascii_digit);
                    if is_process {
                        found.meet(entry.path().join("ns/net"));
                    }
                }
            }
            Err(error) => found.refuse(PROCESSES.into(), error),
        }
        found
    }

    fn meet(&mut self, file: PathBuf) {
        match fs::metadata(&file) {
            // A mount stays longer than a process, and comes first.
            Ok(found) => {
                self.files.entry(found.ino()).or_insert_with(|| file.into());
            }
            // Processes come and go.
            Err(error) if is_gone(&error) => {}
            Err(error) => self.refuse(file, error),
        }
    }

    fn refuse(&mut self, path: PathBuf, source: io::Error) {
        self.unread
            .get_or_insert_with(|| Arc::new(Error::File { path, source }));
    }
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH)
}
