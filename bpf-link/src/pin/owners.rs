//! Who can change what a path leads to.

use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use crate::error::{Command, CommandError, Error, Exposure, Result, Target};
use crate::sys;

/// Checks that no other user can change what is pinned at this path, or where the path leads to.
///
/// Each directory and symbolic link on the way has to belong to root or to the user of the calling
/// thread. Other users may not write to the pin's directory. They may write to a directory above it
/// if that is sticky, because there they cannot replace what is not theirs. So on a bpffs that was
/// mounted with `mount -t bpf` and no options, `/sys/fs/bpf/agent/eth0` is fine, and
/// `/sys/fs/bpf/eth0` is not. Directories that do not exist yet are not checked.
///
/// # Errors
///
/// - [`Error::Exposed`]: another user can change it.
/// - [`Error::PathHasNul`].
/// - [`Error::PermissionDenied`] (`EACCES`): the caller may not search a directory.
/// - [`Error::Command`] with `ENOTDIR` (what the path leads through is not a directory) or `ELOOP`
///   (more than 40 symbolic links).
///
/// # Kernel
///
/// `fstatat(2)` and `readlinkat(2)` of each part of the path.
pub fn check_directories(path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let absolute = std::path::absolute(path).map_err(|source| {
        CommandError::new(Command::CurrentDirectory, Target::path(path), source).classify()
    })?;
    let Some(directory) = absolute.parent() else {
        return Ok(());
    };
    match Way::to(directory).follow()? {
        Some((directory, metadata)) => check_writers(&directory, &metadata, Writers::Nobody),
        None => Ok(()),
    }
}

/// Checks that what is pinned at this path, if anything, belongs to the user of the calling thread.
/// Another owner can open the pin, and so do anything to the link.
///
/// # Errors
///
/// - [`Error::Exposed`]: it belongs to another user.
/// - Those of [`check_directories`] about the path itself.
///
/// # Kernel
///
/// `fstatat(2)`.
pub fn check_owner(path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    match look(path)? {
        Some(metadata) if metadata.uid() != sys::effective_user() => Err(Error::Exposed {
            path: path.to_owned(),
            how: Exposure::Owner(metadata.uid()),
        }),
        _ => Ok(()),
    }
}

/// The way to a directory, which is followed part by part, as the kernel does.
struct Way {
    /// What is left of it, the next part last.
    rest: Vec<PathBuf>,
    links: u32,
}

impl Way {
    fn to(directory: &Path) -> Self {
        let mut way = Self {
            rest: Vec::new(),
            links: 0,
        };
        way.go_on_with(directory);
        way
    }

    fn go_on_with(&mut self, path: &Path) {
        let parts = path.components().rev();
        self.rest
            .extend(parts.map(|part| Path::new(part.as_os_str()).to_owned()));
    }

    /// The directory that the way ends in, after a check of all before it; `None` if it does not
    /// exist.
    fn follow(mut self) -> Result<Option<(PathBuf, Metadata)>> {
        let mut here = PathBuf::from("/");
        let mut found = look(&here)?;
        while let Some(part) = self.rest.pop() {
            let Some(metadata) = &found else {
                return Ok(None);
            };
            check_writers(&here, metadata, Writers::OfStickyDirectories)?;
            match part.components().next() {
                None | Some(Component::CurDir | Component::Prefix(_)) => continue,
                // All parts so far are directories, so this is the one above.
                Some(Component::ParentDir) => {
                    here.pop();
                }
                Some(Component::RootDir) if here == Path::new("/") => continue,
                Some(Component::RootDir) => here = PathBuf::from("/"),
                Some(Component::Normal(name)) => {
                    let next = here.join(name);
                    found = look(&next)?;
                    if let Some(link) = found.as_ref().filter(|found| found.is_symlink()) {
                        check_is_ours_or_roots(&next, link)?;
                        self.go_through(&next)?;
                    } else {
                        here = next;
                        continue;
                    }
                }
            }
            found = look(&here)?;
        }
        Ok(found.map(|metadata| (here, metadata)))
    }

    fn go_through(&mut self, link: &Path) -> Result<()> {
        /// As many as the kernel follows.
        const MOST: u32 = 40;
        self.links += 1;
        let target = if self.links > MOST {
            Err(io::Error::from_raw_os_error(libc::ELOOP))
        } else {
            std::fs::read_link(link)
        };
        let target = target.map_err(|source| refused(link, source))?;
        self.go_on_with(&target);
        Ok(())
    }
}

/// Who but root and we may write to a directory.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Writers {
    Nobody,
    OfStickyDirectories,
}

fn check_writers(path: &Path, metadata: &Metadata, allowed: Writers) -> Result<()> {
    const BY_OTHERS: u32 = libc::S_IWGRP | libc::S_IWOTH;
    check_is_ours_or_roots(path, metadata)?;
    let is_sticky = metadata.mode() & libc::S_ISVTX != 0;
    let is_fine =
        metadata.mode() & BY_OTHERS == 0 || (is_sticky && allowed == Writers::OfStickyDirectories);
    if is_fine {
        Ok(())
    } else {
        Err(Error::Exposed {
            path: path.to_owned(),
            how: Exposure::Writable,
        })
    }
}

fn check_is_ours_or_roots(path: &Path, metadata: &Metadata) -> Result<()> {
    let owner = metadata.uid();
    if owner == 0 || owner == sys::effective_user() {
        Ok(())
    } else {
        Err(Error::Exposed {
            path: path.to_owned(),
            how: Exposure::Owner(owner),
        })
    }
}

/// What is at the path itself; `None` if nothing is.
fn look(path: &Path) -> Result<Option<Metadata>> {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        // On a bpffs nothing has a name with a dot.
        Err(error) if error.raw_os_error() == Some(libc::EPERM) && has_dot(path) => Ok(None),
        Err(_) if path.as_os_str().as_bytes().contains(&0) => Err(Error::PathHasNul {
            path: path.to_owned(),
        }),
        Err(source) => Err(refused(path, source)),
    }
}

fn has_dot(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.as_bytes().contains(&b'.')
}

fn refused(path: &Path, source: io::Error) -> Error {
    CommandError::new(Command::Stat, Target::path(path), source).classify()
}
