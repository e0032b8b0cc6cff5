//! The system calls on the paths of pins.

use std::ffi::{CStr, c_int, c_uint};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// A file system, by the number that `statfs(2)` has for it.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(crate) enum FileSystem {
    /// `BPF_FS_MAGIC`
    Bpffs = 0xcafe_4a11,
    /// `CGROUP2_SUPER_MAGIC`
    Cgroup2 = 0x6367_7270,
    /// `NSFS_MAGIC`
    Namespaces = 0x6e73_6673,
    /// `SYSFS_MAGIC`
    Sysfs = 0x6265_6572,
}

fn at(dir: Option<BorrowedFd<'_>>) -> c_int {
    dir.map_or(libc::AT_FDCWD, |dir| dir.as_raw_fd())
}

fn check(result: c_int) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// `renameat2(2)` with `RENAME_NOREPLACE`.
pub(crate) fn rename_no_replace(
    from: (Option<BorrowedFd<'_>>, &CStr),
    to: (Option<BorrowedFd<'_>>, &CStr),
) -> io::Result<()> {
    // Called by number, as not every C library of this age has a function for it.
    // SAFETY: both paths are live for the call and end with a NUL; the kernel only reads them.
    let result = unsafe {
        libc::syscall(
            libc::SYS_renameat2,
            at(from.0),
            from.1.as_ptr(),
            at(to.0),
            to.1.as_ptr(),
            libc::RENAME_NOREPLACE as c_uint,
        )
    };
    check(if result < 0 { -1 } else { 0 })
}

/// `renameat(2)`, which replaces the file at the new path, if there is one.
pub(crate) fn rename_over(
    from: (Option<BorrowedFd<'_>>, &CStr),
    to: (Option<BorrowedFd<'_>>, &CStr),
) -> io::Result<()> {
    // SAFETY: both paths are live for the call and end with a NUL; the kernel only reads them.
    check(unsafe { libc::renameat(at(from.0), from.1.as_ptr(), at(to.0), to.1.as_ptr()) })
}

/// `unlinkat(2)` of what is not a directory.
pub(crate) fn unlink(dir: Option<BorrowedFd<'_>>, path: &CStr) -> io::Result<()> {
    // SAFETY: the path is live for the call and ends with a NUL; the kernel only reads it.
    check(unsafe { libc::unlinkat(at(dir), path.as_ptr(), 0) })
}

/// What tells one file from another, and what sort it is; a symbolic link is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    device: libc::dev_t,
    inode: libc::ino_t,
    mode: libc::mode_t,
    owner: libc::uid_t,
}

impl FileId {
    pub(crate) fn is_symlink(self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFLNK
    }

    pub(crate) fn is_directory(self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFDIR
    }

    pub(crate) fn owner(self) -> u32 {
        self.owner
    }

    pub(crate) fn inode(self) -> u64 {
        self.inode
    }

    /// As `/proc/locks` names it.
    pub(crate) fn in_proc_locks(self) -> String {
        #[allow(
            unused_unsafe,
            reason = "they are safe functions in later versions of libc"
        )]
        // SAFETY: they pick bits out of a number.
        let (major, minor) = unsafe { (libc::major(self.device), libc::minor(self.device)) };
        format!("{major:02x}:{minor:02x}:{}", self.inode)
    }
}

/// `fstatat(2)` without following a symbolic link.
pub(crate) fn file_id(dir: Option<BorrowedFd<'_>>, path: &CStr) -> io::Result<FileId> {
    file_id_at(at(dir), path, libc::AT_SYMLINK_NOFOLLOW)
}

/// The same of an open file.
pub(crate) fn open_file_id(file: BorrowedFd<'_>) -> io::Result<FileId> {
    file_id_at(file.as_raw_fd(), c"", libc::AT_EMPTY_PATH)
}

fn file_id_at(dir: c_int, path: &CStr, flags: c_int) -> io::Result<FileId> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY:
    // - the path is live for the call and ends with a NUL; the kernel only reads it;
    // - `stat` has room for what the kernel writes.
    check(unsafe { libc::fstatat(dir, path.as_ptr(), stat.as_mut_ptr(), flags) })?;
    // SAFETY: the call succeeded, so the kernel has filled `stat`.
    let stat = unsafe { stat.assume_init() };
    Ok(FileId {
        device: stat.st_dev,
        inode: stat.st_ino,
        mode: stat.st_mode,
        owner: stat.st_uid,
    })
}

/// Whether the file at this path is on a bpffs; a symbolic link counts as what it leads to.
pub(crate) fn is_on_bpffs(dir: Option<BorrowedFd<'_>>, path: &CStr) -> io::Result<bool> {
    is_on(FileSystem::Bpffs, open_path(dir, path)?.as_fd())
}

/// Whether an open file is on this file system.
pub(crate) fn is_on(file_system: FileSystem, file: BorrowedFd<'_>) -> io::Result<bool> {
    let mut statfs = MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: `statfs` has room for what the kernel writes.
    check(unsafe { libc::fstatfs(file.as_raw_fd(), statfs.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so the kernel has filled `statfs`.
    let statfs = unsafe { statfs.assume_init() };
    Ok(u32::try_from(statfs.f_type).is_ok_and(|magic| magic == file_system as u32))
}

/// `openat(2)` of a place in the file system, whatever is there.
fn open_path(dir: Option<BorrowedFd<'_>>, path: &CStr) -> io::Result<OwnedFd> {
    open(dir, path, libc::O_PATH)
}

/// `getdents64(2)` into this room; returns how much of it was filled.
pub(crate) fn read_directory(directory: BorrowedFd<'_>, room: &mut [u8]) -> io::Result<usize> {
    // Called by number, as not every C library has a function for it.
    // SAFETY: the kernel writes into `room`, which is live for the call and ours to write, as many
    // bytes as are given at most.
    let result = unsafe {
        libc::syscall(
            libc::SYS_getdents64,
            directory.as_raw_fd(),
            room.as_mut_ptr(),
            room.len(),
        )
    };
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// `lseek(2)` to the beginning.
pub(crate) fn rewind(directory: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the call takes numbers only.
    let result = unsafe { libc::lseek(directory.as_raw_fd(), 0, libc::SEEK_SET) };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// `openat(2)` of a directory, so that it can be locked or read.
pub(crate) fn open_directory(path: &CStr) -> io::Result<OwnedFd> {
    open(None, path, libc::O_RDONLY | libc::O_DIRECTORY)
}

/// `flock(2)`: takes an exclusive lock of this file, unless somebody else has one. The lock is
/// released with the last descriptor.
pub(crate) fn try_lock(file: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: `flock` takes two numbers.
    check(unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) })
}

/// `flock(2)`: releases the lock that this file has. It cannot fail: the descriptor is open, and
/// nothing is waited for.
pub(crate) fn unlock(file: BorrowedFd<'_>) {
    // SAFETY: `flock` takes two numbers.
    let _ = check(unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_UN) });
}

fn open(dir: Option<BorrowedFd<'_>>, path: &CStr, flags: c_int) -> io::Result<OwnedFd> {
    // SAFETY: the path is live for the call and ends with a NUL; the kernel only reads it.
    let fd = unsafe { libc::openat(at(dir), path.as_ptr(), flags | libc::O_CLOEXEC) };
    check(fd)?;
    // SAFETY: the call succeeded, so `fd` is a new descriptor; nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
