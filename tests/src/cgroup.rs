//! Cgroups of version 2.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};

use crate::eventually::eventually_holds;

/// A cgroup that a test has made, and that is removed when this is dropped.
#[derive(Debug)]
pub struct Cgroup {
    /// Where the tree that it is in is mounted.
    root: PathBuf,
    path: PathBuf,
    directory: OwnedFd,
    /// What it is in: its path may be covered by another mount when it is to go.
    parent: OwnedFd,
}

impl Cgroup {
    /// Makes a cgroup of this name at the root of the tree that is mounted there.
    pub(crate) fn create(root: &Path, name: &str) -> Result<Self> {
        Self::create_at(root.to_owned(), root.join(name))
    }

    fn create_at(root: PathBuf, path: PathBuf) -> Result<Self> {
        std::fs::create_dir(&path).with_context(|| format!("making {}", path.display()))?;
        let directory = open_directory(CWD, &path)?;
        let parent = open_directory(CWD, path.parent().context("it is in a cgroup")?)?;
        Ok(Self {
            root,
            path,
            directory,
            parent,
        })
    }

    /// Makes a cgroup inside this one, which has to go before it.
    ///
    /// # Errors
    ///
    /// What the kernel answered.
    pub fn child(&self, name: &str) -> Result<Self> {
        Self::create_at(self.root.clone(), self.path.join(name))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number by which the kernel knows it: that of its directory's inode.
    ///
    /// # Errors
    ///
    /// What the kernel answered.
    pub fn id(&self) -> Result<u64> {
        Ok(rustix::fs::fstat(&self.directory)?.st_ino)
    }

    /// Runs `work` with this process in the cgroup.
    ///
    /// # Errors
    ///
    /// The process cannot be moved; and what `work` failed with.
    pub fn inside<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let before = self.of_this_process()?;
        move_this_process(&self.path)?;
        let done = work();
        move_this_process(&before)?;
        done
    }

    /// Where the cgroup is that this process is in.
    fn of_this_process(&self) -> Result<PathBuf> {
        const LIST: &str = "/proc/self/cgroup";
        let list = std::fs::read_to_string(LIST).context(LIST)?;
        // `0::/path` is the line of version 2.
        let path = list
            .lines()
            .find_map(|line| line.strip_prefix("0::/"))
            .context(LIST)?;
        Ok(self.root.join(path))
    }

    /// Removes it.
    ///
    /// # Errors
    ///
    /// What the kernel answered; `EBUSY` where a process or a cgroup is inside.
    pub fn remove(self) -> Result<()> {
        std::fs::remove_dir(&self.path).with_context(|| format!("removing {}", self.path.display()))
    }
}

impl AsFd for Cgroup {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // It may be gone already. What cannot be removed here the harness finds, reports and
        // removes. A thread that has ended is in its cgroup for a moment longer.
        let _ = eventually_holds("nobody is in the cgroup", || {
            let name = self.path.file_name().context("it has a name")?;
            let removed = rustix::fs::unlinkat(&self.parent, name, AtFlags::REMOVEDIR);
            Ok(removed != Err(Errno::BUSY))
        });
    }
}

fn move_this_process(cgroup: &Path) -> Result<()> {
    let members = cgroup.join("cgroup.procs");
    std::fs::write(&members, "0").with_context(|| format!("moving into {}", cgroup.display()))
}

/// Removes the cgroups at the root of the tree whose names begin with `prefix`, with what is inside
/// them, and gives back their names.
///
/// # Errors
///
/// What the kernel answered.
pub fn remove_left_over(prefix: &str) -> Result<Vec<String>> {
    // A mount of its own, which is in no mount namespace and goes with its descriptor.
    let tree = rustix::mount::fsopen("cgroup2", FsOpenFlags::FSOPEN_CLOEXEC)?;
    rustix::mount::fsconfig_create(&tree)?;
    let mount = rustix::mount::fsmount(
        &tree,
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::empty(),
    )?;
    let root = open_directory(mount.as_fd(), ".")?;

    let mut left_over = directories(root.as_fd())?;
    left_over.retain(|name| name.starts_with(prefix));
    for name in &left_over {
        remove_tree(root.as_fd(), name).with_context(|| format!("removing the cgroup {name}"))?;
    }
    Ok(left_over)
}

fn open_directory(parent: BorrowedFd<'_>, path: impl rustix::path::Arg) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(parent, path, flags, Mode::empty())?)
}

fn directories(parent: BorrowedFd<'_>) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(parent)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy();
        if entry.file_type() == FileType::Directory && name != "." && name != ".." {
            names.push(name.into_owned());
        }
    }
    Ok(names)
}

fn remove_tree(parent: BorrowedFd<'_>, name: &str) -> Result<()> {
    let directory = open_directory(parent, name)?;
    for child in directories(directory.as_fd())? {
        remove_tree(directory.as_fd(), &child)?;
    }
    // A process that has been killed is in its cgroup until it has been waited for.
    eventually_holds("the cgroup is empty", || {
        match rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR) {
            Ok(()) => Ok(true),
            Err(Errno::BUSY) => Ok(false),
            Err(error) => Err(error.into()),
        }
    })
}
