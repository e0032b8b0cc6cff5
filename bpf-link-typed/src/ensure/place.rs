//! The place of the pin, and its directory.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use bpf_link::PinLock;

use crate::error::{Error, Result};

/// Where the link is to be pinned, and where it is pinned for a moment on the way there.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    pub(super) temporary: PathBuf,
}

impl Place {
    /// At this path; without a slash at its end, which stands for a directory.
    pub(super) fn new(path: &Path) -> Result<Self> {
        let failed = |source| Error::File {
            path: path.to_owned(),
            source,
        };
        // Relative to the current working directory, which may change later.
        let absolute = std::path::absolute(path).map_err(failed)?;
        let path: PathBuf = absolute.components().collect();
        Ok(Self {
            temporary: bpf_link::temporary_pin(&path),
            path,
        })
    }

    /// The directories that the pin is to be in and that do not exist, from the outermost on.
    ///
    /// An error if they cannot be made: what is there is not on a bpffs, or a name is not allowed
    /// there.
    pub(super) fn missing_parents(&self) -> Result<Vec<&Path>> {
        // A directory whose name has a dot can be neither looked up nor made; making it gives the
        // better error.
        let is_missing = |parent: &&Path| std::fs::symlink_metadata(parent).is_err();
        let parents = self.path.ancestors().skip(1);
        let mut missing: Vec<&Path> = parents.take_while(is_missing).collect();
        missing.reverse();
        let Some(inner) = missing.first().and_then(|outermost| outermost.parent()) else {
            return Ok(missing);
        };
        for path in missing.iter().copied().chain([self.path.as_path()]) {
            // The kernel checks the name in the innermost directory that exists, so check it there.
            PinLock::check(inner.join(path.file_name().unwrap_or_default()))?;
        }
        Ok(missing)
    }

    /// Makes these directories with this mode.
    pub(super) fn make_parents(&self, mode: u32) -> Result<()> {
        for parent in self.missing_parents()? {
            // Other processes that make the same directory wait for us.
            let _lock = PinLock::of(parent)?;
            match DirBuilder::new().mode(mode).create(parent) {
                Ok(()) => {}
                // Somebody else was faster.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => {
                    return Err(Error::CreateDirectory {
                        path: parent.to_owned(),
                        source,
                    });
                }
            }
        }
        Ok(())
    }

    /// Looks whether something can be pinned there, without the lock.
    pub(super) fn check(&self) -> Result<()> {
        Ok(PinLock::check(&self.path)?)
    }
}
