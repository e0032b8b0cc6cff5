//! The pins of one directory, looked at one after the other.

use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf, absolute};

use crate::error::{Command, CommandError, Error, Exposure, Result, Target};
use crate::link::RawLink;
use crate::pin::entry::{self, PinEntry};
use crate::pin::path::PinPath;
use crate::sys;

/// An open directory of pins.
///
/// Reading all of its pins costs less than [`PinEntry::at`] for each path, as the kernel looks up
/// the directory only once.
///
/// ```no_run
/// use bpf_link::PinDirectory;
///
/// # fn example() -> bpf_link::Result<()> {
/// let directory = PinDirectory::open("/sys/fs/bpf/agent")?;
/// directory.for_each(|name, _| {
///     if let Some(link) = directory.entry(name)?.link() {
///         println!("link {} is pinned as {name:?}", link.id()?);
///     }
///     Ok(())
/// })
/// # }
/// ```
#[derive(Debug)]
pub struct PinDirectory {
    directory: OwnedFd,
    path: PathBuf,
    /// Who has opened it.
    user: u32,
}

impl PinDirectory {
    /// Opens the directory at this path. It need not be on a bpffs: elsewhere, nothing is a link.
    ///
    /// # Errors
    ///
    /// - [`Error::PathHasNul`]: nothing was asked of the kernel.
    /// - [`Error::PathNotFound`] (`ENOENT`): there is nothing at the path.
    /// - [`Error::PermissionDenied`] (`EACCES`): the caller may not read it.
    /// - [`Error::Command`] with `ENOTDIR` or `EMFILE`.
    ///
    /// # Kernel
    ///
    /// `open(2)`.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let refused = |command| {
            move |source| match CommandError::new(command, Target::path(path), source) {
                error if error.errno() == Some(libc::ENOENT) => Error::PathNotFound(error),
                error => error.classify(),
            }
        };
        let path = absolute(path).map_err(refused(Command::CurrentDirectory))?;
        let directory = sys::open_directory(&c_string(path.as_os_str())?)
            .map_err(refused(Command::OpenDirectory))?;
        Ok(Self {
            directory,
            path,
            user: sys::effective_user(),
        })
    }

    /// Calls `visit` with each name in the directory, and with whether it is the name of a file,
    /// not of a directory or a symbolic link.
    ///
    /// # Errors
    ///
    /// - [`Error::Command`] with `ENOENT`: the directory was removed.
    /// - The first error that `visit` returns.
    ///
    /// # Kernel
    ///
    /// `getdents64(2)`.
    pub fn for_each(&self, mut visit: impl FnMut(&OsStr, bool) -> Result<()>) -> Result<()> {
        const ROOM: usize = 8192;
        let directory = self.directory.as_fd();
        let refused = |source| {
            let target = Target::path(&self.path);
            CommandError::new(Command::ReadDirectory, target, source).classify()
        };
        let mut room = [0; ROOM];
        sys::rewind(directory).map_err(refused)?;
        loop {
            let filled = sys::read_directory(directory, &mut room).map_err(refused)?;
            if filled == 0 {
                return Ok(());
            }
            let mut rest = room.get(..filled).unwrap_or_default();
            while let Some((name, is_file, next)) = first_name(rest) {
                if ![".", ".."].map(OsStr::new).contains(&name) {
                    visit(name, is_file)?;
                }
                rest = next;
            }
        }
    }

    /// Looks up this name, and opens what has it if that is a link. The link remembers the whole
    /// path.
    ///
    /// # Errors
    ///
    /// As [`PinEntry::at`].
    ///
    /// # Kernel
    ///
    /// `fstatat(2)`, and `BPF_OBJ_GET` with `BPF_F_PATH_FD` since Linux 6.5; before, by the whole
    /// path.
    pub fn entry(&self, name: impl AsRef<OsStr>) -> Result<PinEntry> {
        self.look(name.as_ref(), |_| Ok(()))
    }

    /// As [`entry`](Self::entry), but refuses what does not belong to the user who opened the
    /// directory: see [`check_owner`](crate::check_owner).
    ///
    /// # Errors
    ///
    /// As [`entry`](Self::entry), and [`Error::Exposed`].
    pub fn own_entry(&self, name: impl AsRef<OsStr>) -> Result<PinEntry> {
        self.look(name.as_ref(), |owner| {
            if owner == self.user {
                Ok(())
            } else {
                Err(Exposure::Owner(owner))
            }
        })
    }

    /// As [`entry`](Self::entry), for a name that [`for_each`](Self::for_each) has reported as a
    /// file. This is not checked again: a symbolic link that has taken its place since is followed.
    ///
    /// # Errors
    ///
    /// As [`entry`](Self::entry).
    ///
    /// # Kernel
    ///
    /// As [`entry`](Self::entry), without `fstatat(2)`.
    pub fn file(&self, name: impl AsRef<OsStr>) -> Result<PinEntry> {
        let name = name.as_ref();
        self.open_file(self.pin(name)?, name)
    }

    fn pin(&self, name: &OsStr) -> Result<PinPath> {
        PinPath::in_directory(&self.path, name)
    }

    fn look(
        &self,
        name: &OsStr,
        check: impl FnOnce(u32) -> Result<(), Exposure>,
    ) -> Result<PinEntry> {
        let pin = self.pin(name)?;
        let file = sys::file_id(Some(self.directory.as_fd()), pin.tail(name));
        if let Ok(file) = &file {
            check(file.owner()).map_err(|how| Error::Exposed {
                path: pin.path().to_owned(),
                how,
            })?;
        }
        match entry::unopened(&pin, file)? {
            Some(entry) => Ok(entry),
            None => self.open_file(pin, name),
        }
    }

    fn open_file(&self, pin: PinPath, name: &OsStr) -> Result<PinEntry> {
        let object = match sys::obj_get(Some(self.directory.as_fd()), pin.tail(name)) {
            // This kernel takes no directory.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => pin.get(),
            answer => answer,
        };
        Ok(match entry::opened(&pin, object)? {
            PinEntry::Missing => PinEntry::Missing,
            PinEntry::Link(fd) => PinEntry::Link(RawLink { fd, pin: Some(pin) }),
            PinEntry::NotALink => PinEntry::NotALink,
        })
    }
}

fn c_string(path: &OsStr) -> Result<CString> {
    CString::new(path.as_bytes()).map_err(|_| Error::PathHasNul { path: path.into() })
}

/// The first of what `getdents64(2)` has written, whether that is a file, and the rest.
fn first_name(entries: &[u8]) -> Option<(&OsStr, bool, &[u8])> {
    /// Where the fields of a `struct linux_dirent64` are.
    const LENGTH: usize = 16;
    const SORT: usize = 18;
    const NAME: usize = 19;
    let length = u16::from_ne_bytes(*entries.get(LENGTH..)?.first_chunk()?);
    let (entry, rest) = entries.split_at_checked(length.into())?;
    let is_file = *entry.get(SORT)? == libc::DT_REG;
    let name = CStr::from_bytes_until_nul(entry.get(NAME..)?).ok()?;
    Some((OsStr::from_bytes(name.to_bytes()), is_file, rest))
}
