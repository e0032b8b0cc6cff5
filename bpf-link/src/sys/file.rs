//! The system calls on the paths of pins.

use std::ffi::{CStr, c_int, c_uint};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// `statfs(2)`'s number of a bpffs.
const BPF_FS_MAGIC: u32 = 0xcafe_4a11;

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
}

impl FileId {
    pub(crate) fn is_symlink(self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFLNK
    }

    pub(crate) fn is_directory(self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFDIR
    }
}

/// `fstatat(2)` without following a symbolic link.
pub(crate) fn file_id(dir: Option<BorrowedFd<'_>>, path: &CStr) -> io::Result<FileId> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY:
    // - the path is live for the call and ends with a NUL; the kernel only reads it;
    // - `stat` has room for what the kernel writes.
    check(unsafe {
        libc::fstatat(
            at(dir),
            path.as_ptr(),
            stat.as_mut_ptr(),
            libc::AT_SYMLINK_NOFOLLOW,
        )
    })?;
    // SAFETY: the call succeeded, so the kernel has filled `stat`.
    let stat = unsafe { stat.assume_init() };
    Ok(FileId {
        device: stat.st_dev,
        inode: stat.st_ino,
        mode: stat.st_mode,
    })
}

/// Whether the file at this path is on a bpffs; a symbolic link counts as what it leads to.
pub(crate) fn is_on_bpffs(dir: Option<BorrowedFd<'_>>, path: &CStr) -> io::Result<bool> {
    let file = open_path(dir, path)?;
    let mut statfs = MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: `statfs` has room for what the kernel writes.
    check(unsafe { libc::fstatfs(file.as_raw_fd(), statfs.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so the kernel has filled `statfs`.
    let statfs = unsafe { statfs.assume_init() };
    Ok(u32::try_from(statfs.f_type).is_ok_and(|magic| magic == BPF_FS_MAGIC))
}

/// `openat(2)` of a place in the file system, whatever is there.
fn open_path(dir: Option<BorrowedFd<'_>>, path: &CStr) -> io::Result<OwnedFd> {
    // SAFETY: the path is live for the call and ends with a NUL; the kernel only reads it.
    let fd = unsafe { libc::openat(at(dir), path.as_ptr(), libc::O_PATH | libc::O_CLOEXEC) };
    check(fd)?;
    // SAFETY: the call succeeded, so `fd` is a new descriptor; nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
