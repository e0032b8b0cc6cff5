//! `--pins` and `--pinned`: where links are pinned, on every bpffs of this mount namespace.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use bpf_link::Error;
use bpf_link_typed::{LinkId, RawLink};

use crate::mounts::{Mount, Mounts};
use crate::notes::Notes;

pub(crate) const WHAT: &str = "some pins are not shown";

/// The pins of all links, as they were when they were looked for.
pub(crate) struct Pinned(HashMap<LinkId, Vec<PathBuf>>);

impl Pinned {
    /// Opens every pin for a moment and asks for the link's id.
    pub(crate) fn find(notes: &Notes) -> Self {
        let mut found = HashMap::<_, BTreeSet<_>>::new();
        match Mounts::read() {
            Ok(mounts) => {
                for mount in mounts.of("bpf") {
                    walk(&mount, notes, |path| {
                        if let Some(id) = link_at(&path, notes) {
                            // A bpffs may be mounted within itself, and met twice.
                            found.entry(id).or_default().insert(path);
                        }
                    });
                }
            }
            Err(error) => notes.add(WHAT, error),
        }
        let sorted = found
            .into_iter()
            .map(|(id, paths)| (id, paths.into_iter().collect()));
        Self(sorted.collect())
    }

    /// Where this link is pinned.
    pub(crate) fn of(&self, id: LinkId) -> &[PathBuf] {
        self.0.get(&id).map_or(&[], Vec::as_slice)
    }
}

/// Walks the files of a bpffs.
fn walk(mount: &Mount, notes: &Notes, mut meet: impl FnMut(PathBuf)) {
    let mut directories = vec![mount.path.clone()];
    while let Some(directory) = directories.pop() {
        let mut read = || {
            for entry in fs::read_dir(&directory)? {
                let path = entry?.path();
                let found = match fs::symlink_metadata(&path) {
                    // Pins come and go.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    found => found?,
                };
                if found.is_file() {
                    meet(path);
                } else if found.is_dir() && found.dev() == mount.device {
                    directories.push(path);
                }
            }
            io::Result::Ok(())
        };
        match read() {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                notes.add(WHAT, format_args!("{}: {error}", directory.display()));
            }
            _ => {}
        }
    }
}

/// The link that is pinned here; `None` if it is something else, or has gone.
fn link_at(path: &Path, notes: &Notes) -> Option<LinkId> {
    match RawLink::from_pinned(path).and_then(|link| link.id()) {
        Ok(id) => Some(id),
        Err(Error::NotALink(_) | Error::PathNotFound(_)) => None,
        Err(error) => {
            notes.refused(WHAT, error);
            None
        }
    }
}
