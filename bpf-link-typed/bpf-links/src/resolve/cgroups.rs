//! Cgroups by their ids, which are the inodes of their directories.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::{DirEntryExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use bpf_link_typed::inspect::Mounts;

use crate::notes::Notes;

/// All cgroups that can be seen in this mount namespace.
pub(crate) struct Cgroups(HashMap<u64, PathBuf>);

impl Cgroups {
    pub(crate) fn find(notes: &Notes) -> Self {
        let mut cgroups = HashMap::new();
        let mut add = || {
            for mount in Mounts::read()?.of("cgroup2") {
                cgroups.insert(fs::symlink_metadata(&mount.path)?.ino(), mount.path.clone());
                walk(mount.path, &mut cgroups)?;
            }
            io::Result::Ok(())
        };
        if let Err(error) = add() {
            notes.add("some cgroups are shown without paths", error);
        }
        Self(cgroups)
    }

    /// All of them, in the order of their paths.
    pub(crate) fn paths(&self) -> Vec<&Path> {
        let mut paths: Vec<_> = self.0.values().map(PathBuf::as_path).collect();
        paths.sort_unstable();
        paths
    }

    pub(super) fn path(&self, id: u64) -> Option<&Path> {
        self.0.get(&id).map(PathBuf::as_path)
    }
}

fn walk(root: PathBuf, cgroups: &mut HashMap<u64, PathBuf>) -> io::Result<()> {
    let mut directories = vec![root];
    while let Some(directory) = directories.pop() {
        let entries = match fs::read_dir(&directory) {
            // Cgroups come and go.
            Err(error) if is_gone(&error) => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = match entry {
                Err(error) if is_gone(&error) => break,
                entry => entry?,
            };
            if entry.file_type()?.is_dir() {
                cgroups.insert(entry.ino(), entry.path());
                directories.push(entry.path());
            }
        }
    }
    Ok(())
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error())
}
