//! Cgroups by their ids, which are the inodes of their directories.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::note::{NamesOf, Notes};
use crate::error::Error;
use crate::inspect::mounts::{Mount, Mounts};

/// All cgroups that can be seen in this mount namespace.
#[derive(Debug, Default)]
pub(super) struct Cgroups(Mutex<Option<Arc<Paths>>>);

type Paths = BTreeMap<u64, Arc<Path>>;

impl Cgroups {
    pub(super) fn path(&self, id: u64, notes: &Notes) -> Option<Arc<Path>> {
        self.all(notes).get(&id).cloned()
    }

    /// All of them, in the order of their paths.
    pub(super) fn paths(&self, notes: &Notes) -> Vec<Arc<Path>> {
        let mut paths: Vec<_> = self.all(notes).values().cloned().collect();
        paths.sort_unstable();
        paths
    }

    fn all(&self, notes: &Notes) -> Arc<Paths> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let paths = known.get_or_insert_with(|| Arc::new(find(notes)));
        Arc::clone(paths)
    }

    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

fn find(notes: &Notes) -> Paths {
    let mut paths = Paths::new();
    let mounts = match Mounts::read() {
        Ok(mounts) => mounts,
        Err(source) => {
            let path = PathBuf::from(Mounts::TABLE);
            notes.add(NamesOf::Cgroups, Error::File { path, source });
            return paths;
        }
    };
    for mount in mounts.of("cgroup2") {
        walk(mount, &mut paths, notes);
    }
    paths
}

/// Walks the directories of a cgroup file system, and of no other that is mounted within it.
fn walk(mount: Mount, paths: &mut Paths, notes: &Notes) {
    let mut directories = vec![mount.path];
    while let Some(directory) = directories.pop() {
        let is_read = is_on(&directory, mount.device).and_then(|is_on| {
            if let Some(id) = is_on {
                // The latest mount wins where a cgroup is mounted at several.
                paths.insert(id, directory.as_path().into());
                read(&directory, &mut directories)?;
            }
            Ok(())
        });
        match is_read {
            // Cgroups come and go.
            Err(source) if !is_gone(&source) => {
                let path = directory;
                notes.add(NamesOf::Cgroups, Error::File { path, source });
            }
            _ => {}
        }
    }
}

/// The inode of the directory, if it is on this device. Where another file system is mounted, the
/// directory above has the inode of the cgroup that it covers.
fn is_on(directory: &Path, device: u64) -> io::Result<Option<u64>> {
    let found = fs::symlink_metadata(directory)?;
    Ok((found.dev() == device).then(|| found.ino()))
}

fn read(directory: &Path, directories: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            directories.push(entry.path());
        }
    }
    Ok(())
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ENODEV)
}
