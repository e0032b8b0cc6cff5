//! Where commands are typed: namespaces, file systems and a root of cgroups that nobody else uses.

use anyhow::Result;
use bpf_link_tests::{Cgroup, Sandbox};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, unmount};

/// Where readers expect the root of the machine's cgroups.
pub(crate) const CGROUPS: &str = "/sys/fs/cgroup";

/// The place of a thread and of all that it starts. It ends with the thread.
pub(crate) struct Place {
    /// Passes for the root of the machine's, so that nobody else's packets are counted.
    _root: Cgroup,
    _sandbox: Sandbox,
}

impl Place {
    pub(crate) fn enter(name: &str) -> Result<Self> {
        let sandbox = Sandbox::enter()?;
        let root = sandbox.new_cgroup(name)?;
        mount_bind(root.path(), CGROUPS)?;
        Ok(Self {
            _root: root,
            _sandbox: sandbox,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // The cgroup is removed next.
        let _ = unmount(CGROUPS, UnmountFlags::DETACH);
    }
}

/// Mounts what most distributions have mounted, and readers expect to be there.
pub(crate) fn mount_as_distributions_do() -> Result<()> {
    for (file_system, path) in [("bpf", "/sys/fs/bpf"), ("tracefs", "/sys/kernel/tracing")] {
        match mount(file_system, path, file_system, MountFlags::empty(), None) {
            Ok(()) | Err(Errno::BUSY) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
