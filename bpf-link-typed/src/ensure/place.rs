//! The place of the pin: its directory, and what is there.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use bpf_link::{LinkKind, PinLock, RawLink};

use crate::ensure::recipe::KindLink;
use crate::error::{Error, Result};

/// Where the link is to be pinned, and where it is pinned for a moment on the way there.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    pub(super) temporary: PathBuf,
}

/// What is pinned at a path.
#[derive(Debug)]
pub(super) enum Found<L> {
    Nothing,
    Link(L),
    OtherKind(RawLink, LinkKind),
    /// A map, a program, a directory, a symbolic link.
    NoLink,
}

impl Place {
    /// At this path; without a slash at its end, which stands for a directory.
    pub(super) fn new(path: &Path) -> Result<Self> {
        let failed = |source| Error::File {
            path: path.to_owned(),
            source,
        };
        // From the working directory of this moment, in case that changes.
        let absolute = std::path::absolute(path).map_err(failed)?;
        let path: PathBuf = absolute.components().collect();
        Ok(Self {
            temporary: bpf_link::temporary_pin(&path),
            path,
        })
    }

    /// Makes the directories that the pin is to be in and that do not exist, with this mode, if they are on a bpffs.
    pub(super) fn make_parents(&self, mode: u32) -> Result<()> {
        // What cannot be looked at, as its name has a dot, cannot be made either, and that says why.
        let is_missing = |parent: &&Path| std::fs::symlink_metadata(parent).is_err();
        let missing: Vec<&Path> = self
            .path
            .ancestors()
            .skip(1)
            .take_while(is_missing)
            .collect();
        for parent in missing.into_iter().rev() {
            // Makes sure that it is on a bpffs.
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
}

/// Opens what is pinned at this path.
pub(super) fn look<L: KindLink>(path: &Path) -> Result<Found<L>> {
    match std::fs::symlink_metadata(path) {
        // The kernel would follow it, and open what is pinned elsewhere.
        Ok(metadata) if metadata.is_symlink() => return Ok(Found::NoLink),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(source) => {
            return Err(Error::File {
                path: path.to_owned(),
                source,
            });
        }
    }
    let link = match RawLink::from_pinned(path) {
        Ok(link) => link,
        Err(bpf_link::Error::PathNotFound(_)) => return Ok(Found::Nothing),
        Err(bpf_link::Error::NotALink(_)) => return Ok(Found::NoLink),
        Err(error) => return Err(error.into()),
    };
    match L::try_from(link).map_err(crate::error::Rejected::into_parts) {
        Ok(link) => Ok(Found::Link(link)),
        Err((link, Error::WrongKind { found, .. })) => Ok(Found::OtherKind(link, found)),
        Err((_, error)) => Err(error),
    }
}

impl<L> Found<L> {
    /// The error that this is in the way, if it is no link of the kind.
    pub(super) fn refused_at(&self, path: &Path) -> Option<Error> {
        let found = match self {
            Self::Nothing | Self::Link(_) => return None,
            Self::OtherKind(_, kind) => Some(*kind),
            Self::NoLink => None,
        };
        Some(Error::PinTaken {
            path: path.to_owned(),
            found,
        })
    }
}
