//! The place of the pin, and its directory.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bpf_link::{PinDirectory, PinLock, Target};

use crate::ensure::options::Trust;
use crate::error::{Error, Result};

/// Where the link is to be pinned.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    trust: Trust,
}

/// How often a directory may be removed before anything is pinned there.
const ATTEMPTS: usize = 16;

impl Place {
    /// That of pins in this directory, whatever their names.
    pub(crate) fn in_dir(path: &Path, trust: Trust) -> Result<Self> {
        Self::new(&path.join(ANY_NAME), trust)
    }

    /// The same error, which names the directory where it names the pin that stands for any in it.
    pub(crate) fn about_directory(&self, error: Error) -> Error {
        let directory = self.path.parent().unwrap_or(&self.path);
        match error {
            Error::Link(bpf_link::Error::PathNotFound(source))
                if *source.target() == Target::Path(self.path.clone()) =>
            {
                match PinDirectory::open(directory) {
                    Err(error) => error.into(),
                    Ok(_) => bpf_link::Error::PathNotFound(source).into(),
                }
            }
            Error::Link(bpf_link::Error::NotOnBpffs { path, source }) if path == self.path => {
                let path = directory.to_owned();
                bpf_link::Error::NotOnBpffs { path, source }.into()
            }
            error => error,
        }
    }

    /// At this path; without a slash at its end, which stands for a directory.
    pub(super) fn new(path: &Path, trust: Trust) -> Result<Self> {
        let failed = |source| Error::File {
            path: path.to_owned(),
            source,
        };
        // Relative to the current working directory, which may change later.
        let absolute = std::path::absolute(path).map_err(failed)?;
        let path: PathBuf = absolute.components().collect();
        if bpf_link::is_temporary_pin(&path) {
            return Err(Error::TemporaryName { path });
        }
        Ok(Self { path, trust })
    }

    /// Where a link is pinned for a moment on the way to the path: the first of these names that
    /// nothing is in the way of. Each name that is in use costs a look, so their number is limited.
    pub(super) fn beside(&self) -> impl Iterator<Item = PathBuf> + use<> {
        temporary_pins(&self.path)
    }

    /// Runs `work` once the pin's directories exist and are safe. With a mode, makes the missing
    /// ones first, and waits no longer than `lock_within` for the lock of each. If `work` fails,
    /// removes them again.
    pub(crate) fn with_parents<T>(
        &self,
        mode: Option<u32>,
        lock_within: Duration,
        work: impl Fn() -> Result<T>,
    ) -> Result<T> {
        self.check_directories()?;
        let Some(mode) = mode else {
            return work();
        };
        let mut attempts = ATTEMPTS;
        loop {
            attempts -= 1;
            let mut new = Vec::new();
            let done = self
                .make_parents(mode, lock_within, &mut new)
                .and_then(|()| {
                    // Somebody else may have made one before us.
                    self.check_directories()?;
                    work()
                });
            match done {
                // Another run has made the directory, had no use for it, and has removed it again.
                Err(Error::Link(bpf_link::Error::PathNotFound(_)))
                    if new.is_empty() && attempts > 0 => {}
                Err(error) => {
                    Self::remove_parents(&new);
                    return Err(error);
                }
                done => return done,
            }
        }
    }

    /// Refuses a path that other users can redirect, unless that was allowed; or that
    /// something else is wrong with.
    pub(crate) fn check_directories(&self) -> Result<()> {
        if self.trust.shared_directories {
            return Ok(());
        }
        let Err(error) = bpf_link::check_directories(&self.path) else {
            return Ok(());
        };
        let checked = match self.missing_parents() {
            Ok(missing) if missing.is_empty() => self.check(),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        match checked {
            // The kernel refuses to follow the symbolic link of another user in a sticky directory
            // (the sysctl `fs.protected_symlinks`), without a word about why.
            Ok(()) | Err(Error::Link(bpf_link::Error::PermissionDenied(_))) => Err(error.into()),
            // Nothing can be pinned there anyway.
            Err(other) => Err(other),
        }
    }

    /// Refuses what another user has pinned there, unless that was allowed.
    pub(super) fn check_owner(&self) -> Result<()> {
        if !self.trust.other_owner {
            bpf_link::check_owner(&self.path)?;
        }
        Ok(())
    }

    /// Whether this temporary pin belongs to another user and is to be left alone. With
    /// `allow_other_owner`, no pin is.
    pub(super) fn is_another_users(&self, beside: &Path) -> Result<bool> {
        if self.trust.other_owner {
            return Ok(false);
        }
        match bpf_link::check_owner(beside) {
            Ok(()) => Ok(false),
            Err(bpf_link::Error::Exposed { .. }) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// The directories that the pin is to be in and that do not exist, from the outermost on.
    ///
    /// An error if they cannot be made: what is there is not on a bpffs, or a name is not allowed
    /// there; or if it cannot be told whether they exist.
    pub(crate) fn missing_parents(&self) -> Result<Vec<PathBuf>> {
        let mut missing = Vec::new();
        for parent in self.path.ancestors().skip(1) {
            match std::fs::symlink_metadata(parent) {
                Ok(_) => break,
                Err(error) if is_missing(parent, &error) => missing.push(parent.to_owned()),
                Err(source) => {
                    let path = parent.to_owned();
                    return Err(Error::CreateDirectory { path, source });
                }
            }
        }
        missing.reverse();
        let Some(inner) = missing.first().and_then(|outermost| outermost.parent()) else {
            return Ok(missing);
        };
        for path in missing.iter().chain([&self.path]) {
            // The kernel checks the name in the innermost directory that exists, so check it there.
            PinLock::check(inner.join(path.file_name().unwrap_or_default()))?;
        }
        Ok(missing)
    }

    /// Makes these directories with this mode, and adds them to the new ones. Only we may
    /// write to them, whatever the mode says.
    fn make_parents(&self, mode: u32, lock_within: Duration, new: &mut Vec<PathBuf>) -> Result<()> {
        const BY_OTHERS: u32 = libc::S_IWGRP | libc::S_IWOTH;
        let mode = mode & !BY_OTHERS;
        for parent in self.missing_parents()? {
            // Other processes that make the same directory wait for us.
            let _lock = PinLock::of_within(&parent, lock_within)?;
            match DirBuilder::new().mode(mode).create(&parent) {
                Ok(()) => new.push(parent),
                // Somebody else was faster.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => {
                    return Err(Error::CreateDirectory {
                        path: parent,
                        source,
                    });
                }
            }
        }
        Ok(())
    }

    /// Removes the directories that were made for a pin that is not, unless somebody has put
    /// something into them.
    fn remove_parents(made: &[PathBuf]) {
        for directory in made.iter().rev() {
            // The error that is on its way says more.
            let _ = std::fs::remove_dir(directory);
        }
    }

    /// Looks whether something can be pinned there, without the lock.
    pub(crate) fn check(&self) -> Result<()> {
        Ok(PinLock::check(&self.path)?)
    }
}

/// The name of some pin in a directory.
const ANY_NAME: &str = "pin";

/// All names for a pin on the way to this path.
pub(crate) fn temporary_pins(path: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    const NAMES: u32 = 1 << 16;
    let path = path.to_owned();
    (1..=NAMES).map(move |number| temporary_pin(&path, number))
}

/// The name of this number, from 1 on, for a pin on the way to this path.
pub(crate) fn temporary_pin(path: &Path, number: u32) -> PathBuf {
    let mut name = bpf_link::temporary_pin(path).into_os_string();
    if number > 1 {
        name.push(number.to_string());
    }
    name.into()
}

/// Whether this directory cannot be looked up because of its path. If it cannot be made either,
/// then making it gives the better error.
fn is_missing(directory: &Path, error: &io::Error) -> bool {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR | libc::EACCES | libc::ELOOP | libc::ENAMETOOLONG) => {
            true
        }
        // A bpffs says so of every name with a dot.
        Some(libc::EPERM) => directory.as_os_str().as_bytes().contains(&b'.'),
        _ => false,
    }
}
