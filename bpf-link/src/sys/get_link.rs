//! What the kernel says about network devices: `RTM_GETLINK` requests over netlink.

use std::ffi::CStr;
use std::io;

use super::netlink::{self, Attributes, attribute, u32_at, unreadable};

/// The length of `struct ifinfomsg`.
pub(super) const INFO: usize = 16;
/// Where `struct ifinfomsg` has the index.
const INDEX: usize = 4;

/// Which device is asked about, in the network namespace of the calling thread.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked<'a> {
    Index(u32),
    /// One of the names that it has besides its own. Since Linux 5.5.
    AlternativeName(&'a CStr),
}

/// Asks about one device.
pub(super) fn get_link(asked: Asked<'_>) -> io::Result<Vec<u8>> {
    netlink::ask(libc::RTM_GETLINK, libc::RTM_NEWLINK, &request(asked)?)
}

/// Asks about all devices.
pub(super) fn get_links() -> io::Result<Vec<Vec<u8>>> {
    netlink::dump(libc::RTM_GETLINK, &[0; INFO])
}

/// A message about a device, without its header.
#[derive(Clone, Copy, Debug)]
pub(super) struct DeviceMessage<'a> {
    body: &'a [u8],
}

impl<'a> DeviceMessage<'a> {
    pub(super) fn new(body: &'a [u8]) -> io::Result<Self> {
        if body.len() < INFO {
            return Err(unreadable());
        }
        Ok(Self { body })
    }

    /// The index of the device.
    pub(super) fn index(self) -> io::Result<u32> {
        u32_at(self.body, INDEX).ok_or_else(unreadable)
    }

    pub(super) fn attributes(self) -> Attributes<'a> {
        Attributes(self.body.get(INFO..).unwrap_or_default())
    }
}

/// `struct ifinfomsg`, with the name as an attribute if there is one.
fn request(asked: Asked<'_>) -> io::Result<Vec<u8>> {
    const IFLA_ALT_IFNAME: u16 = 53;
    /// `ALTIFNAMSIZ`, with the NUL.
    const LONGEST: usize = 128;
    let (index, name) = match asked {
        Asked::Index(index) => (signed(index)?, None),
        Asked::AlternativeName(name) => (0, Some(name.to_bytes_with_nul())),
    };
    let mut request = vec![0; INDEX];
    request.extend(index.to_ne_bytes());
    request.resize(INFO, 0);
    if let Some(name) = name {
        // No device has so long a name.
        if name.len() > LONGEST {
            return Err(no_device());
        }
        request.extend(attribute(IFLA_ALT_IFNAME, name));
    }
    Ok(request)
}

/// An index as the kernel's structs have it. No device has a larger one.
pub(super) fn signed(index: u32) -> io::Result<i32> {
    i32::try_from(index).map_err(|_| no_device())
}

fn no_device() -> io::Error {
    io::Error::from_raw_os_error(libc::ENODEV)
}
