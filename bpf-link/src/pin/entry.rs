//! What there is at the path of a pin.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use crate::error::{Command, CommandError, Error, Result};
use crate::link::RawLink;
use crate::pin::path::PinPath;
use crate::sys;

/// What there is at a path where a link may be pinned.
///
/// ```no_run
/// use bpf_link::PinEntry;
///
/// # fn example() -> bpf_link::Result<()> {
/// match PinEntry::at("/sys/fs/bpf/agent/eth0")? {
///     PinEntry::Missing => println!("nothing is pinned there"),
///     PinEntry::Link(link) => println!("link {} is pinned there", link.id()?),
///     PinEntry::NotALink => println!("something else is there"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinEntry<L = RawLink> {
    /// Nothing.
    Missing,
    /// A link; it remembers the path.
    Link(L),
    /// Something else: a map, a program, a directory, a symbolic link (wherever it leads to), or a
    /// file that is not on a bpffs.
    NotALink,
}

impl PinEntry {
    /// Looks at what is at this path, and opens it if it is a link.
    ///
    /// # Errors
    ///
    /// - [`Error::PathHasNul`]: nothing was asked of the kernel.
    /// - [`Error::PermissionDenied`] (`EACCES`; `EPERM` before Linux 5.19): the caller may not
    ///   search the directory, or not both read and write the pin.
    /// - [`Error::Command`] with `ENOTDIR` (what the path leads through is not a directory) or
    ///   `EMFILE` (the process has no descriptor left).
    ///
    /// # Kernel
    ///
    /// `fstatat(2)`, and what [`RawLink::from_pinned`] asks.
    pub fn at(path: impl AsRef<Path>) -> Result<Self> {
        let pin = PinPath::new(path.as_ref())?;
        Ok(match open_at(&pin)? {
            PinEntry::Missing => Self::Missing,
            PinEntry::Link(fd) => Self::Link(RawLink { fd, pin: Some(pin) }),
            PinEntry::NotALink => Self::NotALink,
        })
    }
}

impl<L> PinEntry<L> {
    /// The link, if it is one.
    #[must_use]
    pub fn link(&self) -> Option<&L> {
        match self {
            Self::Link(link) => Some(link),
            Self::Missing | Self::NotALink => None,
        }
    }
}

/// Whether this link is at the path of a pin now; `None` if nothing is there.
pub(crate) fn is_at(link: &RawLink, pin: &PinPath) -> Result<Option<bool>> {
    match open_at(pin)? {
        PinEntry::Missing => Ok(None),
        PinEntry::Link(fd) => {
            let found = RawLink::from_link_fd(fd).id();
            let found = found.map_err(|error| error.naming(pin.target()))?;
            Ok(Some(found == link.id()?))
        }
        PinEntry::NotALink => Ok(Some(false)),
    }
}

fn open_at(pin: &PinPath) -> Result<PinEntry<sys::LinkFd>> {
    match unopened(pin, pin.file_id())? {
        Some(entry) => Ok(entry),
        None => opened(pin, pin.get()),
    }
}

/// What is at the path of a pin, where the file says that without being opened.
pub(crate) fn unopened<L>(
    pin: &PinPath,
    file: io::Result<sys::FileId>,
) -> Result<Option<PinEntry<L>>> {
    match file {
        // The kernel would follow it, and open what is pinned elsewhere.
        Ok(file) if file.is_symlink() => Ok(Some(PinEntry::NotALink)),
        Ok(_) => Ok(None),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(Some(PinEntry::Missing)),
        Err(source) => Err(CommandError::new(Command::Stat, pin.target(), source).classify()),
    }
}

/// What was opened at the path of a pin.
pub(crate) fn opened(pin: &PinPath, object: io::Result<OwnedFd>) -> Result<PinEntry<sys::LinkFd>> {
    let refused = match object.map(sys::LinkFd::check_pinned) {
        Ok(Ok(fd)) => return Ok(PinEntry::Link(fd)),
        Ok(Err((_, refusal))) => no_link(pin, refusal),
        Err(source) => get_refused(pin, source),
    };
    match refused {
        Error::PathNotFound(_) => Ok(PinEntry::Missing),
        Error::NotOnBpffs { .. } | Error::NotALink(_) => Ok(PinEntry::NotALink),
        error => Err(error),
    }
}

/// The error for a pinned object that is not a link, or that the kernel refused to look at.
#[cold]
pub(crate) fn no_link(pin: &PinPath, refusal: Option<io::Error>) -> Error {
    match refusal {
        None => Error::NotALink(pin.target()),
        Some(source) => CommandError::new(Command::LinkUpdate, pin.target(), source).classify(),
    }
}

/// The error for a pin that the kernel refused to open.
#[cold]
pub(crate) fn get_refused(pin: &PinPath, source: io::Error) -> Error {
    let error = CommandError::new(Command::ObjGet, pin.target(), source);
    match error.errno() {
        Some(libc::ENOENT) => Error::PathNotFound(error),
        Some(libc::EINVAL) if pin.dir().is_some() => Error::UnsupportedByKernel(error),
        Some(libc::EACCES) if matches!(pin.is_on_bpffs(), Ok(false)) => Error::NotOnBpffs {
            path: pin.path().to_owned(),
            source: Some(error),
        },
        Some(libc::EACCES) if pin.file_id().is_ok_and(sys::FileId::is_directory) => {
            Error::NotALink(pin.target())
        }
        _ => error.classify(),
    }
}
