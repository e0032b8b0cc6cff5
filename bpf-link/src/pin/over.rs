//! A pin that takes the place of another in one step.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::error::{Command, Error, Result};
use crate::link::RawLink;
use crate::pin::entry::is_at;
use crate::pin::path::PinPath;
use crate::pin::rename_refused;

/// The suffix of a temporary pin's name, after the name of the pin that it will replace. Nobody
/// gives a pin such a name by accident. A bpffs allows no dot.
const SUFFIX: &str = "~bpf-link~new";

/// The path at which [`RawLink::pin_over`] pins a link for a moment, before it moves the pin to
/// this path: `~bpf-link~new` is appended.
///
/// If something is there while no process is replacing a pin, it was left by a process that was
/// killed at that moment.
///
/// ```
/// let path = bpf_link::temporary_pin("/sys/fs/bpf/agent/eth0");
/// assert_eq!(path, std::path::Path::new("/sys/fs/bpf/agent/eth0~bpf-link~new"));
/// ```
#[must_use]
pub fn temporary_pin(path: impl AsRef<Path>) -> PathBuf {
    // Without a slash at its end, which would make the name one in a directory.
    let path: PathBuf = path.as_ref().components().collect();
    let mut name = OsString::from(path);
    name.push(SUFFIX);
    name.into()
}

/// Whether this path has the form of a temporary pin, also of the second and later ones for a path.
/// Do not give such a name to a link that is to stay.
///
/// ```
/// let path = bpf_link::temporary_pin("/sys/fs/bpf/agent/eth0");
/// assert!(bpf_link::is_temporary_pin(path));
/// assert!(!bpf_link::is_temporary_pin("/sys/fs/bpf/agent/eth0"));
/// ```
#[must_use]
pub fn is_temporary_pin(path: impl AsRef<Path>) -> bool {
    let suffix = SUFFIX.as_bytes();
    let has_suffix = |part: &OsStr| {
        let mut parts = part.as_bytes().windows(suffix.len());
        parts.any(|part| part == suffix)
    };
    // Most paths have it nowhere, and need not be taken apart.
    let path = path.as_ref();
    has_suffix(path.as_os_str()) && path.file_name().is_some_and(has_suffix)
}

impl RawLink {
    /// Pins the link at this path and replaces what is pinned there. The replacement is atomic: a
    /// process that opens the path gets either the old object or this link. The old object is freed
    /// if nothing else holds it.
    ///
    /// If the link remembers a pin, that pin is moved. Otherwise it is first pinned beside the
    /// path, at [`temporary_pin`]; a process that is killed in between leaves that behind. If there
    /// is nothing at the path, it is pinned there.
    ///
    /// A directory is never replaced. Two processes that do this to one path at the same time
    /// should take turns: [`PinLock`](crate::PinLock).
    ///
    /// # Errors
    ///
    /// With these errors, the link, its pin and what is at the path are as they were:
    ///
    /// - those of [`pin`](Self::pin), where [`Error::PathExists`] (`EEXIST`) is about the temporary
    ///   name;
    /// - [`Error::Command`] with `EISDIR`: there is a directory at the path.
    ///
    /// # Kernel
    ///
    /// `BPF_OBJ_PIN` of links since Linux 5.7, and `renameat(2)`, which ends in `simple_rename`
    /// (7.3).
    pub fn pin_over(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let new = PinPath::new(path)?;
        let is_pinned = match &self.pin {
            None => false,
            Some(old) => match is_at(self, old)? {
                Some(true) if old.is_same_as(&new)? => return Ok(()),
                Some(true) => true,
                None => false,
                Some(false) => {
                    return Err(Error::PinReplaced {
                        path: old.path().to_owned(),
                    });
                }
            },
        };
        if !is_pinned {
            self.pin_to(PinPath::new(&temporary_pin(path))?)?;
        }
        let Some(old) = &self.pin else {
            return Ok(());
        };
        match old.rename_over(&new) {
            Ok(()) => {
                self.pin = Some(new);
                Ok(())
            }
            Err(source) => {
                let error = rename_refused(Command::RenameOver, old, &new, source);
                if !is_pinned {
                    // The refusal is the news; should the temporary pin stay, its name says what it
                    // is.
                    let _ = self.unpin();
                }
                Err(error)
            }
        }
    }
}
