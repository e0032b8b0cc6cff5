//! `BPF_OBJ_PIN` and `BPF_OBJ_GET`: a link's name on a bpffs.

mod directory;
pub(crate) mod entry;
mod lock;
mod over;
mod owners;
pub(crate) mod path;

pub use directory::PinDirectory;
pub use entry::PinEntry;
pub use lock::PinLock;
pub use over::{is_temporary_pin, temporary_pin};
pub use owners::{check_directories, check_owner};

use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::{Command, CommandError, Error, Result};
use crate::link::RawLink;
use crate::pin::entry::{get_refused, is_at, no_link};
use crate::pin::path::PinPath;
use crate::sys;

impl RawLink {
    /// Opens the link that is pinned at this path, and remembers the path.
    ///
    /// # Errors
    ///
    /// - [`Error::PathHasNul`]: nothing was asked of the kernel.
    /// - [`Error::PathNotFound`] (`ENOENT`): there is nothing at the path.
    /// - [`Error::NotOnBpffs`] (`EACCES`): what is there is not on a bpffs.
    /// - [`Error::NotALink`]: what is there is a map, a program or a directory.
    /// - [`Error::PermissionDenied`] (`EACCES`; `EPERM` before Linux 5.19): the caller may not both
    ///   read and write the pin.
    /// - [`Error::Command`] with `EMFILE`: the process has no descriptor left.
    ///
    /// # Kernel
    ///
    /// `BPF_OBJ_GET` of links since Linux 5.7, which ends in `bpf_obj_get_user` (7.3). It is always
    /// for reading and writing: links are refused with `EINVAL` if opened for only one of them
    /// (`BPF_F_RDONLY`).
    ///
    /// A second call, `BPF_OBJ_GET_INFO_BY_FD`, tells links from programs and maps, whose infos are
    /// longer, and returns the kind and id. If the kernel refuses it, or is newer than this release
    /// and has a longer info, a third call tells them apart: an update without a program.
    #[inline]
    pub fn from_pinned(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_pin(PinPath::new(path.as_ref())?)
    }

    /// Opens the link that is pinned at this path, relative to an open directory, and remembers
    /// both.
    ///
    /// The bpffs need not be mounted. With an absolute path, the directory is ignored.
    ///
    /// # Errors
    ///
    /// As [`from_pinned`](Self::from_pinned), and
    ///
    /// - [`Error::UnsupportedByKernel`] (`EINVAL`): before Linux 6.5, with no procfs at `/proc` to
    ///   help out.
    ///
    /// # Kernel
    ///
    /// `BPF_OBJ_GET` with `BPF_F_PATH_FD` since Linux 6.5, and by way of `/proc/self/fd` before.
    pub fn from_pinned_at(dir: impl AsFd, path: impl AsRef<Path>) -> Result<Self> {
        Self::open_pin(PinPath::new_at(dir.as_fd(), path.as_ref())?)
    }

    #[inline]
    fn open_pin(pin: PinPath) -> Result<Self> {
        match pin.get().map(sys::LinkFd::check_pinned) {
            Ok(Ok(fd)) => Ok(Self { fd, pin: Some(pin) }),
            Ok(Err((_, refusal))) => Err(no_link(&pin, refusal)),
            Err(source) => Err(get_refused(&pin, source)),
        }
    }

    /// The path at which this link was pinned or opened, relative to the directory if one was
    /// given. Another process may have moved or removed the pin since.
    #[must_use]
    pub fn pin_path(&self) -> Option<&Path> {
        self.pin.as_ref().map(PinPath::path)
    }

    /// Pins the link at this path on a bpffs, so that it stays attached without a descriptor.
    ///
    /// If the link remembers a pin, that pin is moved. The link has a pin all the time, nothing is
    /// overwritten, and moving a pin to its own path changes nothing. If the old pin has vanished,
    /// a new one is made. For a second pin, pin a [clone](Self::try_clone).
    ///
    /// Before a move, the pin at the old path is opened and compared with this link. If another
    /// process replaces it between that and the move, its pin is moved instead.
    ///
    /// # Errors
    ///
    /// With these errors, the link and its pin are as they were:
    ///
    /// - [`Error::PathHasNul`]: nothing was asked of the kernel.
    /// - [`Error::PathExists`] (`EEXIST`): there is something at the path.
    /// - [`Error::PathNotFound`] (`ENOENT`): the path's directory does not exist.
    /// - [`Error::NotOnBpffs`] (`EPERM`, `EXDEV`): the path's directory is not on a bpffs.
    /// - [`Error::PinName`] (`EPERM`): the path's last part has a dot in it.
    /// - [`Error::OtherMount`] (`EXDEV`): the old pin is on another mount.
    /// - [`Error::PinReplaced`]: something else, or a symbolic link, is at the old pin's path.
    /// - [`Error::PermissionDenied`] (`EACCES`; `EPERM` before Linux 5.19): the caller may not
    ///   write to the directory.
    /// - [`Error::Command`] with `EROFS` (the bpffs is read-only) or `EMFILE` (the process has no
    ///   descriptor left).
    ///
    /// # Kernel
    ///
    /// `BPF_OBJ_PIN` of links since Linux 5.7, which ends in `bpf_obj_pin_user` (7.3); a move is
    /// `renameat2(2)` with `RENAME_NOREPLACE`. A new pin has mode 0600, less the umask.
    pub fn pin(&mut self, path: impl AsRef<Path>) -> Result<()> {
        self.pin_to(PinPath::new(path.as_ref())?)
    }

    /// Pins the link at this path, relative to an open directory of a bpffs.
    ///
    /// Otherwise as [`pin`](Self::pin). The bpffs need not be mounted. The link keeps a descriptor
    /// of the directory as long as it remembers the pin. With an absolute path, the directory is
    /// ignored.
    ///
    /// # Errors
    ///
    /// As [`pin`](Self::pin), and
    ///
    /// - [`Error::UnsupportedByKernel`] (`EINVAL`): before Linux 6.5, with no procfs at `/proc` to
    ///   help out.
    ///
    /// # Kernel
    ///
    /// `BPF_OBJ_PIN` with `BPF_F_PATH_FD` since Linux 6.5, and by way of `/proc/self/fd` before.
    pub fn pin_at(&mut self, dir: impl AsFd, path: impl AsRef<Path>) -> Result<()> {
        self.pin_to(PinPath::new_at(dir.as_fd(), path.as_ref())?)
    }

    pub(crate) fn pin_to(&mut self, new: PinPath) -> Result<()> {
        if let Some(old) = &self.pin {
            match is_at(self, old)? {
                Some(true) if old.is_same_as(&new)? => return Ok(()),
                Some(true) => {
                    old.rename_to(&new)
                        .map_err(|source| rename_refused(Command::Rename, old, &new, source))?;
                    self.pin = Some(new);
                    return Ok(());
                }
                Some(false) => {
                    return Err(Error::PinReplaced {
                        path: old.path().to_owned(),
                    });
                }
                None => {}
            }
        }
        new.pin(self.as_fd())
            .map_err(|source| pin_refused(&new, source))?;
        self.pin = Some(new);
        Ok(())
    }

    /// Removes the pin that this link remembers. The descriptor, and so the attachment, stays.
    ///
    /// Without a pin, or if it has vanished, there is nothing to do. What is at the path is opened
    /// and compared with this link first. If another process replaces the pin between that check
    /// and the removal, its pin is removed instead.
    ///
    /// # Errors
    ///
    /// The link still remembers the pin, and nothing was removed, with
    ///
    /// - [`Error::PinReplaced`]: something else, or a symbolic link, is at the pin's path.
    /// - [`Error::PermissionDenied`] (`EACCES`; `EPERM` before Linux 5.19): the caller may not open
    ///   the pin, or write to the directory.
    /// - [`Error::Command`] with `EROFS` (the bpffs is read-only) or `EMFILE` (the process has no
    ///   descriptor left).
    ///
    /// # Kernel
    ///
    /// `unlinkat(2)`. If the pin was the last thing that held a link, its program is detached soon
    /// after, not at once.
    pub fn unpin(&mut self) -> Result<()> {
        let Some(pin) = &self.pin else {
            return Ok(());
        };
        match is_at(self, pin)? {
            Some(true) => match pin.unlink() {
                Err(source) if source.raw_os_error() != Some(libc::ENOENT) => {
                    return Err(CommandError::new(Command::Unlink, pin.target(), source).classify());
                }
                _ => {}
            },
            None => {}
            Some(false) => {
                return Err(Error::PinReplaced {
                    path: pin.path().to_owned(),
                });
            }
        }
        self.pin = None;
        Ok(())
    }
}

/// What the refusal to make a pin means.
fn pin_refused(new: &PinPath, source: io::Error) -> Error {
    let error = CommandError::new(Command::ObjPin, new.target(), source);
    match error.errno() {
        Some(libc::EEXIST) => Error::PathExists(error),
        Some(libc::ENOENT) => Error::PathNotFound(error),
        Some(libc::EINVAL) if new.dir().is_some() => Error::UnsupportedByKernel(error),
        Some(libc::EPERM) if matches!(new.parent_is_on_bpffs(), Ok(false)) => Error::NotOnBpffs {
            path: new.path().to_owned(),
            source: Some(error),
        },
        Some(libc::EPERM) if has_dot(new) => Error::PinName {
            path: new.path().to_owned(),
            source: Some(error),
        },
        _ => error.classify(),
    }
}

/// What the refusal to move a pin by this command means.
pub(crate) fn rename_refused(
    command: Command,
    old: &PinPath,
    new: &PinPath,
    source: io::Error,
) -> Error {
    let error = CommandError::new(command, new.target(), source);
    match error.errno() {
        Some(libc::EEXIST) => Error::PathExists(error),
        Some(libc::ENOENT) => Error::PathNotFound(error),
        Some(libc::EXDEV) if matches!(new.parent_is_on_bpffs(), Ok(false)) => Error::NotOnBpffs {
            path: new.path().to_owned(),
            source: Some(error),
        },
        Some(libc::EXDEV) => Error::OtherMount {
            from: old.path().to_owned(),
            to: new.path().to_owned(),
            source: error,
        },
        Some(libc::EPERM) if has_dot(new) => Error::PinName {
            path: new.path().to_owned(),
            source: Some(error),
        },
        _ => error.classify(),
    }
}

pub(crate) fn has_dot(pin: &PinPath) -> bool {
    pin.path()
        .file_name()
        .map(OsStr::as_bytes)
        .is_some_and(|name| name.contains(&b'.'))
}
