//! Network devices, and the programs that netlink says they have.

use std::ffi::CString;

use crate::error::{Command, CommandError, Error, Result, Target};
use crate::id::ProgramId;
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
    /// The index of the other end of a pair, or of the device below this one. `None` if there is no
    /// such device, or it is in another network namespace.
    #[doc(alias = "IFLA_LINK")]
    pub linked_to: Option<u32>,
    /// Its programs for xdp.
    pub xdp: XdpPrograms,
}

/// The programs that a network device has for xdp, by the mode that they run in, with a link or
/// without one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct XdpPrograms {
    /// After the socket buffer is built.
    pub generic: Option<ProgramId>,
    /// In the driver.
    pub driver: Option<ProgramId>,
    /// On the device.
    pub hardware: Option<ProgramId>,
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
    found.map(read).map_err(refused(Target::ifindex(index)))
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
    let found = found.map_err(refused(target))?;
    Ok(found.into_iter().map(read).collect())
}

/// The programs that the network device with this index has for xdp, in the network namespace of
/// the calling thread.
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
/// `RTM_GETLINK` over netlink, since Linux 4.13; it ends in `rtnl_xdp_fill` (7.3).
pub fn xdp_programs(index: u32) -> Result<XdpPrograms> {
    Ok(network_device(index)?.xdp)
}

impl XdpPrograms {
    fn of(found: sys::XdpProgramIds) -> Self {
        Self {
            generic: ProgramId::new(found.generic),
            driver: ProgramId::new(found.driver),
            hardware: ProgramId::new(found.hardware),
        }
    }
}

fn read(found: sys::NetworkDevice) -> NetworkDevice {
    NetworkDevice {
        index: found.index,
        name: found.name,
        kind: found.kind,
        linked_to: found.linked_to,
        xdp: XdpPrograms::of(found.xdp),
    }
}

fn refused(target: Target) -> impl FnOnce(std::io::Error) -> Error {
    move |source| CommandError::new(Command::GetNetworkDevice, target, source).classify()
}
