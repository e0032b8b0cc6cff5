//! Asking the traffic control of a network device for its programs.

use bpf_link::HookPrograms;

use super::TcxHook;
use crate::attach::interface::Interface;
use crate::attach::interface::device::Device;
use crate::error::Result;

impl TcxHook {
    /// Asks which programs are attached to this hook of this device, and by which links.
    ///
    /// ```no_run
    /// use bpf_link_typed::{TcxAttach, TcxHook};
    ///
    /// # fn example(program: std::fs::File) -> bpf_link_typed::Result<()> {
    /// let there = TcxHook::Ingress.query("eth0")?;
    /// let mut to = TcxAttach::to("eth0", TcxHook::Ingress);
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
    /// - [`Error::NoSuchInterface`](crate::Error::NoSuchInterface) (`ENODEV`): there is no such
    ///   device.
    /// - [`Error::Link`](crate::Error::Link) with
    ///   - [`UnsupportedByKernel`](bpf_link::Error::UnsupportedByKernel) (`EINVAL`): this kernel
    ///     does not have the hook;
    ///   - [`PermissionDenied`](bpf_link::Error::PermissionDenied) (`EPERM`): the caller lacks
    ///     `CAP_NET_ADMIN`.
    ///
    /// # Kernel
    ///
    /// `BPF_PROG_QUERY`, since Linux 6.6; it ends in `tcx_prog_query` (7.3).
    pub fn query(self, interface: impl Into<Interface>) -> Result<HookPrograms> {
        Device::new(interface.into()).query(self.attach_type())
    }
}
