//! Processes that pin in one directory take turns.

mod holder;

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::{Command, CommandError, Error, Result};
use crate::pin::has_dot;
use crate::pin::path::PinPath;
use crate::sys;

/// An exclusive lock of the directory that a pin is in, as long as this exists.
///
/// It keeps out only processes that take it too: the kernel does not ask for it when something is
/// pinned, unpinned or renamed. It belongs to a descriptor, so a process that takes it twice waits
/// for itself.
///
/// A user who may open the directory for reading can take the lock and keep it. So close the
/// directory to others (mode 0700), and its bpffs too (`mount -t bpf -o mode=700`). Waiting for the
/// lock has a time limit, and the error names the process that has it.
///
/// Dropping it releases it, even if a forked process has a copy of the descriptor. Dropping that
/// copy in the forked process releases nothing. If the process ends without dropping the lock, the
/// kernel releases it once all forked copies are closed, by `execve(2)` or by the end of those
/// processes.
///
/// ```no_run
/// use bpf_link::{PinLock, RawLink};
///
/// # fn example(mut link: RawLink) -> bpf_link::Result<()> {
/// let lock = PinLock::of("/sys/fs/bpf/agent/eth0")?;
/// // Nobody else who asks for the lock comes between the look and the change.
/// let old = RawLink::from_pinned("/sys/fs/bpf/agent/eth0")?;
/// println!("instead of {}", old.id()?);
/// link.pin_over("/sys/fs/bpf/agent/eth0")?;
/// drop(lock);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a lock that is dropped at once keeps nobody out"]
pub struct PinLock {
    directory: OwnedFd,
    /// The process that has taken it.
    process: u32,
}

impl PinLock {
    /// How long [`of`](Self::of) waits.
    pub const PATIENCE: Duration = Duration::from_secs(10);

    /// Waits until nobody else has the lock of the directory of this pin, for at most ten seconds
    /// ([`PATIENCE`](Self::PATIENCE)), and takes it. There need not be a pin yet.
    ///
    /// Before that, it checks that something could be pinned there: the directory exists and is on
    /// a bpffs, and the name is one that a bpffs allows.
    ///
    /// # Errors
    ///
    /// - [`Error::PathHasNul`].
    /// - [`Error::PathNotFound`] (`ENOENT`): the path's directory does not exist, or the path has
    ///   no name at its end.
    /// - [`Error::NotOnBpffs`]: the path's directory is not on a bpffs. Nothing was tried, so
    ///   there is no source and no error number.
    /// - [`Error::PinName`]: the path's last part has a dot in it. Again there is no source.
    /// - [`Error::LockHeld`] (`EWOULDBLOCK`): another process had the lock all the time.
    /// - [`Error::PermissionDenied`] (`EACCES`): the caller may not read the directory.
    /// - [`Error::Command`] with `ENOTDIR` (the pin's directory is not a directory) or `EMFILE`
    ///   (the process has no descriptor left).
    ///
    /// # Kernel
    ///
    /// `flock(2)` with `LOCK_EX` and `LOCK_NB`, again and again.
    pub fn of(path: impl AsRef<Path>) -> Result<Self> {
        Self::of_within(path, Self::PATIENCE)
    }

    /// Takes the lock of this pin's directory, unless another process has it. Does not wait.
    ///
    /// # Errors
    ///
    /// As [`of`](Self::of).
    ///
    /// # Kernel
    ///
    /// As [`of`](Self::of).
    pub fn try_of(path: impl AsRef<Path>) -> Result<Self> {
        Self::of_within(path, Duration::ZERO)
    }

    /// As [`of`](Self::of), but waits for at most this long.
    ///
    /// # Errors
    ///
    /// As [`of`](Self::of).
    ///
    /// # Kernel
    ///
    /// As [`of`](Self::of).
    pub fn of_within(path: impl AsRef<Path>, time: Duration) -> Result<Self> {
        let place = Place::new(path.as_ref())?;
        let started = Instant::now();
        loop {
            let directory = place.open()?;
            place.lock(&directory, time.saturating_sub(started.elapsed()))?;
            let lock = Self {
                directory,
                process: std::process::id(),
            };
            let is_there_still = is_there_still(&place.parent, &lock.directory)
                .map_err(|source| place.refused(Command::Stat, source))?;
            if is_there_still {
                return Ok(lock);
            }
        }
    }

    /// Checks whether something could be pinned at this path, as [`of`](Self::of) does, but does
    /// not take the lock. It changes nothing and does not wait.
    ///
    /// # Errors
    ///
    /// As [`of`](Self::of).
    ///
    /// # Kernel
    ///
    /// `openat(2)` and `fstatfs(2)` of the directory.
    pub fn check(path: impl AsRef<Path>) -> Result<()> {
        Place::new(path.as_ref())?.open().map(drop)
    }
}

/// A path to pin at, and its directory.
struct Place {
    path: PinPath,
    parent: CString,
}

impl Place {
    fn new(path: &Path) -> Result<Self> {
        let path = PinPath::new(path)?;
        if let Ok((parent, _)) = path.split() {
            return Ok(Self { path, parent });
        }
        let source = io::Error::from_raw_os_error(libc::ENOENT);
        Err(refused(&path, Command::OpenDirectory, source))
    }

    /// Opens the directory, if something can be pinned in it by this name.
    fn open(&self) -> Result<OwnedFd> {
        let directory = sys::open_directory(&self.parent)
            .map_err(|source| self.refused(Command::OpenDirectory, source))?;
        check(&self.path, &directory)?;
        Ok(directory)
    }

    /// Waits for at most so long until nobody else has the lock, and takes it.
    fn lock(&self, directory: &OwnedFd, time: Duration) -> Result<()> {
        /// Short, so that processes that take the lock one after the other do not keep us out.
        const LONGEST_PAUSE: Duration = Duration::from_millis(1);
        let started = Instant::now();
        let mut pause = Duration::from_micros(50);
        loop {
            let is_over = started.elapsed() >= time;
            let source = match sys::try_lock(directory.as_fd()) {
                Ok(()) => return Ok(()),
                Err(source) => source,
            };
            match source.kind() {
                io::ErrorKind::Interrupted => continue,
                io::ErrorKind::WouldBlock if is_over => {
                    return Err(Error::LockHeld {
                        path: self.path.path().to_owned(),
                        holder: holder::of(directory),
                        source: CommandError::new(Command::Lock, self.path.target(), source),
                    });
                }
                io::ErrorKind::WouldBlock => {}
                _ => return Err(self.refused(Command::Lock, source)),
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn refused(&self, command: Command, source: io::Error) -> Error {
        refused(&self.path, command, source)
    }
}

fn refused(path: &PinPath, command: Command, source: io::Error) -> Error {
    let error = CommandError::new(command, path.target(), source);
    match error.errno() {
        Some(libc::ENOENT) => Error::PathNotFound(error),
        _ => error.classify(),
    }
}

/// Closing the descriptor is not enough: a forked process may have a copy, and the lock is held
/// until the last copy is closed.
impl Drop for PinLock {
    fn drop(&mut self) {
        // A forked process that dropped its copy would release its parent's lock.
        if std::process::id() == self.process {
            sys::unlock(self.directory.as_fd());
        }
    }
}

/// Refuses a directory or a name in which nothing can be pinned.
fn check(path: &PinPath, directory: &OwnedFd) -> Result<()> {
    let on_bpffs = sys::is_on(sys::FileSystem::Bpffs, directory.as_fd())
        .map_err(|source| refused(path, Command::StatFileSystem, source))?;
    if !on_bpffs {
        return Err(Error::NotOnBpffs {
            path: path.path().to_owned(),
            source: None,
        });
    }
    if has_dot(path) {
        return Err(Error::PinName {
            path: path.path().to_owned(),
            source: None,
        });
    }
    Ok(())
}

/// Whether the path still leads to the directory that was locked: who had the lock before may have
/// removed it.
fn is_there_still(path: &CString, directory: &OwnedFd) -> io::Result<bool> {
    let locked = sys::open_file_id(directory.as_fd())?;
    match sys::file_id(None, path) {
        Ok(found) => Ok(found == locked),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_is_waited_for_ten_seconds() {
        assert_eq!(PinLock::PATIENCE, Duration::from_secs(10));
    }
}
