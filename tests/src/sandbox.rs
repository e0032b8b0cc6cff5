//! A place for a test: namespaces, file systems and cgroups of its own.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::ffi::CStr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rustix::mount::{MountFlags, MountPropagationFlags};
use rustix::process::{Resource, Rlimit};
use rustix::thread::UnshareFlags;

use crate::cgroup::Cgroup;
use crate::device;
use crate::names;
use crate::sys;

/// Where the sandbox's file systems are mounted. The kernel makes this directory wherever it has
/// BPF; what the machine has mounted there stays out of sight, so that no test touches the
/// machine's own pins.
const ROOT: &str = "/sys/fs/bpf";

/// Mount and network namespaces of their own for the calling thread, with a bpffs, cgroups and
/// tracefs, and with `lo` up.
///
/// Nothing of it is on a disk, and all of it but the cgroups goes with the thread.
#[derive(Debug)]
pub struct Sandbox {
    bpffs: Bpffs,
    second_bpffs: OnceCell<Bpffs>,
    cgroups: OnceCell<PathBuf>,
    tracefs: OnceCell<PathBuf>,
}

impl Sandbox {
    /// Puts the calling thread, and the threads and processes that it starts from now on, into a
    /// sandbox.
    ///
    /// # Errors
    ///
    /// The caller lacks `CAP_SYS_ADMIN` or `CAP_NET_ADMIN`; sysfs is not mounted; what the kernel
    /// answered.
    pub fn enter() -> Result<Self> {
        sys::unshare(UnshareFlags::NEWNS | UnshareFlags::NEWNET)
            .context("unsharing the mount and network namespaces")?;
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        rustix::mount::mount_change("/", private).context("making the mounts private")?;
        mount("tmpfs", Path::new(ROOT), None)?;
        lift_memory_limit();
        device::bring_up(device::index_of("lo")?)?;
        Ok(Self {
            bpffs: Bpffs::mount("bpf")?,
            second_bpffs: OnceCell::new(),
            cgroups: OnceCell::new(),
            tracefs: OnceCell::new(),
        })
    }

    /// A directory for files that are not on a bpffs.
    pub fn directory(&self) -> &Path {
        Path::new(ROOT)
    }

    /// The sandbox's bpffs.
    pub fn bpffs(&self) -> &Path {
        &self.bpffs.path
    }

    /// Another bpffs.
    ///
    /// # Errors
    ///
    /// What the kernel answered to the mount.
    pub fn second_bpffs(&self) -> Result<&Path> {
        let bpffs = get_or_try_init(&self.second_bpffs, || Bpffs::mount("bpf2"))?;
        Ok(&bpffs.path)
    }

    /// Where tracefs is mounted.
    ///
    /// # Errors
    ///
    /// What the kernel answered to the mount; `ENODEV` where it has no tracefs.
    pub fn tracefs(&self) -> Result<&Path> {
        let path = get_or_try_init(&self.tracefs, || mount_new("tracefs", "tracing"))?;
        Ok(path)
    }

    /// Where the tree of cgroups is mounted.
    ///
    /// # Errors
    ///
    /// What the kernel answered to the mount.
    pub fn cgroup_root(&self) -> Result<&Path> {
        let path = get_or_try_init(&self.cgroups, || mount_new("cgroup2", "cgroup"))?;
        Ok(path)
    }

    /// Makes a cgroup, whose name begins with this process's prefix.
    ///
    /// # Errors
    ///
    /// What the kernel answered.
    pub fn new_cgroup(&self, name: &str) -> Result<Cgroup> {
        let name = format!("{}{name}", names::prefix());
        Cgroup::create(self.cgroup_root()?, &name)
    }

    /// What is pinned in the sandbox and was not when its file systems were mounted.
    ///
    /// # Errors
    ///
    /// What the kernel answered.
    pub fn pinned(&self) -> Result<Vec<PathBuf>> {
        let mut pinned = self.bpffs.added()?;
        if let Some(second) = self.second_bpffs.get() {
            pinned.extend(second.added()?);
        }
        Ok(pinned)
    }
}

/// A mounted bpffs.
#[derive(Debug)]
struct Bpffs {
    path: PathBuf,
    /// What it had from the beginning: some kernels pin iterators into every new one.
    from_the_beginning: BTreeSet<PathBuf>,
}

impl Bpffs {
    fn mount(name: &str) -> Result<Self> {
        // Others may look, and only we may write: as a rule the directory of an agent is like this.
        let path = mount_new_with("bpf", name, Some(c"mode=755"))?;
        let from_the_beginning = files_below(&path)?;
        Ok(Self {
            path,
            from_the_beginning,
        })
    }

    fn added(&self) -> Result<Vec<PathBuf>> {
        let now = files_below(&self.path)?;
        Ok(now.difference(&self.from_the_beginning).cloned().collect())
    }
}

fn files_below(directory: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut files = BTreeSet::new();
    for entry in std::fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            files.extend(files_below(&entry.path())?);
        } else {
            files.insert(entry.path());
        }
    }
    Ok(files)
}

/// Mounts a file system in a new directory of the sandbox.
fn mount_new(file_system: &str, name: &str) -> Result<PathBuf> {
    mount_new_with(file_system, name, None)
}

fn mount_new_with(file_system: &str, name: &str, options: Option<&CStr>) -> Result<PathBuf> {
    let path = Path::new(ROOT).join(name);
    std::fs::create_dir(&path).with_context(|| format!("making {}", path.display()))?;
    mount(file_system, &path, options)?;
    Ok(path)
}

fn mount(file_system: &str, path: &Path, options: Option<&CStr>) -> Result<()> {
    rustix::mount::mount(file_system, path, file_system, MountFlags::empty(), options)
        .with_context(|| format!("mounting {file_system} on {}", path.display()))
}

/// Before Linux 5.11 programs and maps count as locked memory, of which a process may have little.
fn lift_memory_limit() {
    let unlimited = Rlimit {
        current: None,
        maximum: None,
    };
    // Where it is not allowed, as in some containers, it matters on those kernels only, and there
    // it shows.
    let _ = rustix::process::setrlimit(Resource::Memlock, unlimited);
}

/// As the method of this name will be, once it is stable.
fn get_or_try_init<T>(cell: &OnceCell<T>, init: impl FnOnce() -> Result<T>) -> Result<&T> {
    if let Some(value) = cell.get() {
        return Ok(value);
    }
    let value = init()?;
    Ok(cell.get_or_init(|| value))
}
