//! Network devices by name and by index.

use std::ffi::{CStr, CString};

use crate::error::{Command, CommandError, Result, Target};
use crate::sys;

/// The index of the network device with this name in the network namespace of the calling thread.
///
/// An alternative name will do (`ip link property add dev eth0 altname NAME`), of any length. Since
/// Linux 5.5.
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
/// `ioctl(2)` with `SIOCGIFINDEX`; `RTM_GETLINK` over netlink for a name of more than 15 bytes.
pub fn interface_index(name: &CStr) -> Result<u32> {
    sys::interface_index(name).map_err(|source| {
        let target = Target::Interface {
            name: Some(name.to_owned()),
            index: None,
        };
        CommandError::new(Command::InterfaceIndex, target, source).classify()
    })
}

/// The name of the network device with this index in the network namespace of the calling thread.
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
/// `ioctl(2)` with `SIOCGIFNAME`.
pub fn interface_name(index: u32) -> Result<CString> {
    sys::interface_name(index).map_err(|source| {
        let target = Target::ifindex(index);
        CommandError::new(Command::InterfaceName, target, source).classify()
    })
}
