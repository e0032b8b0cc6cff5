//! The pins that a link has besides the one that a run is about.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use bpf_link::{LinkId, PinEntry};

/// Removes the pins of ours that this link has on the bpffs that the path is on. The link is dead:
/// a pin would only have it found again.
///
/// What cannot be looked at or removed is left, as the run has done what it was to do.
pub(crate) fn remove(path: &Path, id: LinkId) {
    let mut directories: Vec<PathBuf> = root_of(path).into_iter().collect();
    let device = directories.first().and_then(|root| device_of(root));
    while let Some(directory) = directories.pop() {
        let entries = fs::read_dir(&directory).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()) {
            if !fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir()) {
                remove_if_of(&path, id);
            } else if device_of(&path) == device {
                directories.push(path);
            }
        }
    }
}

/// The outermost directory above the path that is on the same file system as its own directory,
/// wherever symbolic links lead to.
fn root_of(path: &Path) -> Option<PathBuf> {
    let directory = fs::canonicalize(path.parent()?).ok()?;
    let device = device_of(&directory)?;
    let inside = directory
        .ancestors()
        .take_while(|directory| device_of(directory) == Some(device));
    inside.last().map(Path::to_owned)
}

fn device_of(path: &Path) -> Option<u64> {
    fs::symlink_metadata(path).ok().map(|found| found.dev())
}

fn remove_if_of(path: &Path, id: LinkId) {
    if bpf_link::check_owner(path).is_err() {
        return;
    }
    if let Ok(PinEntry::Link(mut link)) = PinEntry::at(path) {
        if link.id().is_ok_and(|found| found == id) {
            let _ = link.unpin();
        }
    }
}
