//! File systems of the kernel, where most distributions have them mounted.

use anyhow::{Context as _, Result};
use rustix::io::Errno;
use rustix::mount::MountFlags;

/// Mounts a bpffs of the caller's own where the system has one.
///
/// # Errors
///
/// What the kernel answered.
pub fn mount_bpffs() -> Result<()> {
    mount_at("bpf", "/sys/fs/bpf")
}

/// Mounts tracefs where it belongs, unless it is there.
///
/// # Errors
///
/// What the kernel answered.
pub fn mount_tracefs() -> Result<()> {
    mount_at("tracefs", "/sys/kernel/tracing")
}

/// Mounts debugfs where it belongs, unless it is there.
///
/// # Errors
///
/// What the kernel answered.
pub fn mount_debugfs() -> Result<()> {
    mount_at("debugfs", "/sys/kernel/debug")
}

fn mount_at(kind: &str, path: &str) -> Result<()> {
    match rustix::mount::mount(kind, path, kind, MountFlags::empty(), None) {
        // The same file system is there.
        Ok(()) | Err(Errno::BUSY) => Ok(()),
        Err(error) => Err(error).context(path.to_owned()),
    }
}
