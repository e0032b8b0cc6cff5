//! Network devices, and the programs that netlink says they have.

use std::ffi::CString;

use crate::error::{Command, CommandError, Error, Result, Target};
use crate::interface::XdpPrograms;
use crate::sys;

/// A network device, as far as programs have to do with it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetworkDevice {
    /// Its index in its network namespace.
    pub index: u32,
    /// Its name.
    pub name: CString,
    /// What sort of device it is, such as `veth` or `netkit`; `None` if its driver does not say.
    pub kind: Option<CString>,
    /// The other end of a pair, or the device below this one, by its index. `None` if there is
    /// none, or if it is in another network namespace.
    pub other: Option<u32>,
    /// Its programs for xdp.
    pub xdp: XdpPrograms,
}

/// The network device with this index in the network namespace of the calling thread.
///
/// # Errors
///
/// [`Command`](crate::Error::Command) with
///
/// - `ENODEV`: there is no such device;
/// - `EMFILE`: the process has no descriptor left.
///
/// # Kernel
///
/// `RTM_GETLINK` over netlink; it ends in `rtnl_fill_ifinfo` (7.3).
pub fn network_device(index: u32) -> Result<NetworkDevice> {
    let found = sys::network_device(index);
    found
        .map(read)
        .map_err(refused(Command::GetNetworkDevice, Target::ifindex(index)))
}

/// All network devices in the network namespace of the calling thread. A list that changes while it
/// is read is read again.
///
/// # Errors
///
/// [`Command`](crate::Error::Command) with `EMFILE`: the process has no descriptor left.
///
/// # Kernel
///
/// `RTM_GETLINK` over netlink; it ends in `rtnl_dump_ifinfo` (7.3).
pub fn network_devices() -> Result<Vec<NetworkDevice>> {
    let found = sys::network_devices();
    let target = Target::Interface {
        name: None,
        index: None,
    };
    let found = found.map_err(refused(Command::GetNetworkDevice, target))?;
    Ok(found.into_iter().map(read).collect())
}

fn read(found: sys::NetworkDevice) -> NetworkDevice {
    NetworkDevice {
        index: found.index,
        name: found.name,
        kind: found.kind,
        other: found.other,
        xdp: XdpPrograms::of(found.xdp),
    }
}

fn refused(command: Command, target: Target) -> impl FnOnce(std::io::Error) -> Error {
    move |source| CommandError::new(command, target, source).classify()
}
