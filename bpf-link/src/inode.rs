//! The numbers by which the kernel knows cgroups and network namespaces: those of their files.

use std::os::fd::{AsFd, BorrowedFd};

use crate::error::{Command, CommandError, Result, Target};
use crate::sys::{self, FileSystem};

/// The id of the cgroup that this open directory is: the number of its inode, which the info of a
/// link has.
///
/// `None` if it is not on cgroup2. The inodes of other file systems have the same numbers: the root
/// of each tmpfs, of procfs and of cgroup2 is 1.
///
/// # Errors
///
/// [`Error::Command`](crate::Error::Command) with what the kernel answered.
///
/// # Kernel
///
/// `fstatfs(2)` and `fstatat(2)`.
pub fn cgroup_id(file: &(impl AsFd + ?Sized)) -> Result<Option<u64>> {
    inode_on(FileSystem::Cgroup2, file.as_fd())
}

/// The number of the inode of the network namespace that this open file is, such as one of
/// `/proc/self/ns/net`; the info of a link has it.
///
/// `None` if it is not the file of a namespace. A namespace of another sort has a number that no
/// network namespace has.
///
/// # Errors
///
/// [`Error::Command`](crate::Error::Command) with what the kernel answered.
///
/// # Kernel
///
/// `fstatfs(2)` and `fstatat(2)`.
pub fn netns_inode(file: &(impl AsFd + ?Sized)) -> Result<Option<u64>> {
    inode_on(FileSystem::Namespaces, file.as_fd())
}

fn inode_on(file_system: FileSystem, file: BorrowedFd<'_>) -> Result<Option<u64>> {
    let refused =
        |command| move |source| CommandError::new(command, Target::Descriptor, source).classify();
    if !sys::is_on(file_system, file).map_err(refused(Command::StatFileSystem))? {
        return Ok(None);
    }
    let file = sys::open_file_id(file).map_err(refused(Command::Stat))?;
    Ok(Some(file.inode()))
}
