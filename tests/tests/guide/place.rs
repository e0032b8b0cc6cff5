//! Where commands are typed: namespaces, file systems and a root of cgroups that nobody else uses.

use anyhow::Result;
use bpf_link_tests::{Cgroup, Sandbox};
use rustix::mount::{UnmountFlags, mount_bind, unmount};

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
