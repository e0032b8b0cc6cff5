//! Asking one end of a netkit device for its programs.

use bpf_link::HookPrograms;

use super::NetkitHook;
use crate::attach::interface::Interface;
use crate::attach::interface::device::Device;
use crate::error::Result;

impl NetkitHook {
    /// Asks which programs are attached to this end, and by which links.
    ///
    /// The device is the primary end, for the hook of the peer as well.
    ///
    /// ```no_run
    /// use bpf_link_typed::NetkitHook;
    ///
    /// # fn example() -> bpf_link_typed::Result<()> {
    /// for program in NetkitHook::Peer.query("workload")?.programs {
    ///     println!("program {} by link {:?}", program.id, program.link);
    /// }
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
    ///   - [`PermissionDenied`](bpf_link::Error::PermissionDenied): the caller lacks
    ///     `CAP_NET_ADMIN` (`EPERM`), or the device is the peer and not the primary end (`EACCES`);
    ///   - [`Command`](bpf_link::Error::Command) and `ENXIO`: the device is not a netkit device.
    ///
    /// # Kernel
    ///
    /// `BPF_PROG_QUERY`, since Linux 6.7; it ends in `netkit_prog_query` (7.3).
    pub fn query(self, interface: impl Into<Interface>) -> Result<HookPrograms> {
        Device::new(interface.into()).query(self.attach_type())
    }
}
