//! Asking a sockmap or sockhash for its programs.

use std::os::fd::AsFd;

use bpf_link::{Hook, HookPrograms};

use super::SockmapHook;
use crate::error::Result;

impl SockmapHook {
    /// Asks which program does this for the sockets of this map: one, or none.
    ///
    /// The kernel does not say by which link it is attached, and has no revision.
    ///
    /// ```no_run
    /// use bpf_link_typed::SockmapHook;
    ///
    /// # fn example(map: std::fs::File) -> bpf_link_typed::Result<()> {
    /// let is_taken = !SockmapHook::MsgVerdict.query(&map)?.programs.is_empty();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::Link`](crate::Error::Link) with
    ///   - [`UnsupportedByKernel`](bpf_link::Error::UnsupportedByKernel) (`EINVAL`): this kernel
    ///     has no query of sockmaps;
    ///   - [`PermissionDenied`](bpf_link::Error::PermissionDenied) (`EPERM`): the caller lacks
    ///     `CAP_NET_ADMIN`;
    ///   - [`Command`](bpf_link::Error::Command) and `EINVAL`: the descriptor is not a map;
    ///     `EOPNOTSUPP`: the map is of another type; `EBUSY`: the map has a program of
    ///     [`SkbVerdict`](Self::SkbVerdict), which excludes this one, or the other way round.
    ///
    /// # Kernel
    ///
    /// `BPF_PROG_QUERY`, since Linux 5.19, and so before there are links; it ends in
    /// `sock_map_bpf_prog_query` (7.3).
    pub fn query(self, map: impl AsFd) -> Result<HookPrograms> {
        Ok(Hook::of_fd(self.attach_type(), &map).query()?)
    }
}
