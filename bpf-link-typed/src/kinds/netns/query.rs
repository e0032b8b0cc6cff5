//! Asking a hook of a network namespace for its programs.

use bpf_link::{Hook, HookPrograms, Target};

use super::NetnsHook;
use crate::attach::file_ref::FileRef;
use crate::error::Result;

impl NetnsHook {
    /// Asks which programs are attached to this hook of this network namespace.
    ///
    /// The kernel does not say by which links they are, and has no revision.
    ///
    /// ```no_run
    /// use bpf_link_typed::NetnsHook;
    ///
    /// # fn example() -> bpf_link_typed::Result<()> {
    /// let there = NetnsHook::FlowDissector.query("/proc/self/ns/net")?;
    /// println!("{} programs", there.programs.len());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::File`](crate::Error::File): the path cannot be opened.
    /// - [`Error::Link`](crate::Error::Link) with
    ///   - [`PermissionDenied`](bpf_link::Error::PermissionDenied) (`EPERM`): the caller lacks
    ///     `CAP_NET_ADMIN`;
    ///   - [`Command`](bpf_link::Error::Command) and `EINVAL`: the file is not a network namespace;
    ///     `EBADF`: it is opened as a place in the file system only (`O_PATH`).
    ///
    /// # Kernel
    ///
    /// `BPF_PROG_QUERY`, since Linux 4.19 for flow dissectors and Linux 5.9 for socket lookups; it
    /// ends in `netns_bpf_prog_query` (7.3).
    pub fn query<'a>(self, netns: impl Into<FileRef<'a>>) -> Result<HookPrograms> {
        let netns = netns.into();
        let file = netns.open()?;
        let answer = Hook::of_fd(self.attach_type(), &file).query();
        Ok(answer.map_err(|source| source.naming(netns.target(Target::Netns)))?)
    }
}
