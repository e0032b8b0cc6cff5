//! Asking a hook of a cgroup for its programs.

use bpf_link::{Hook, HookPrograms};

use super::CgroupHook;
use crate::attach::file_ref::FileRef;
use crate::error::Result;

impl CgroupHook {
    /// Asks which programs are attached to this hook of this cgroup itself.
    ///
    /// The kernel does not say by which links they are.
    ///
    /// ```no_run
    /// use bpf_link_typed::{CgroupAttach, CgroupHook, Position};
    ///
    /// # fn example(program: std::fs::File) -> bpf_link_typed::Result<()> {
    /// let (cgroup, hook) = ("/sys/fs/cgroup/workload", CgroupHook::InetEgress);
    /// let there = hook.query(cgroup)?;
    /// let mut to = CgroupAttach::to(cgroup, hook).position(Position::First);
    /// if let Some(revision) = there.revision {
    ///     // Only as long as nobody else changes the list.
    ///     to = to.expected_revision(revision);
    /// }
    /// let link = to.attach(&program)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::File`](crate::Error::File): the path cannot be opened.
    /// - [`Error::Link`](crate::Error::Link) with
    ///   - [`UnsupportedByKernel`](bpf_link::Error::UnsupportedByKernel) (`EINVAL`): this kernel
    ///     does not have the hook;
    ///   - [`PermissionDenied`](bpf_link::Error::PermissionDenied) (`EPERM`): the caller lacks
    ///     `CAP_NET_ADMIN`.
    /// - [`Error::NotACgroup`](crate::Error::NotACgroup) (`EBADF`): the file is not the directory
    ///   of a cgroup on cgroup2.
    ///
    /// # Kernel
    ///
    /// `BPF_PROG_QUERY`, since Linux 4.15, with a revision since Linux 6.17; it ends in
    /// `cgroup_bpf_prog_query` (7.3).
    pub fn query<'a>(self, cgroup: impl Into<FileRef<'a>>) -> Result<HookPrograms> {
        let cgroup = cgroup.into();
        let answer = Hook::of_fd(self.attach_type(), &cgroup.open()?).query();
        answer.map_err(|source| cgroup.refused_as_cgroup(source))
    }

    /// Asks which programs run on this hook for this cgroup: its own, and those of the cgroups
    /// above it.
    ///
    /// The kernel gives no flags with them.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    ///
    /// # Kernel
    ///
    /// As [`query`](Self::query), with `BPF_F_QUERY_EFFECTIVE`.
    #[doc(alias = "BPF_F_QUERY_EFFECTIVE")]
    pub fn query_effective<'a>(self, cgroup: impl Into<FileRef<'a>>) -> Result<HookPrograms> {
        let cgroup = cgroup.into();
        let file = cgroup.open()?;
        let answer = Hook::of_fd(self.attach_type(), &file).effective().query();
        answer.map_err(|source| cgroup.refused_as_cgroup(source))
    }
}
