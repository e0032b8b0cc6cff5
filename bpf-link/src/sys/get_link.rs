//! What the kernel says about network devices: `RTM_GETLINK` requests over netlink.

use std::ffi::CStr;
use std::io;

use super::netlink::{self, Attributes, HEADER, i32_at, u16_at, u32_at, unreadable};

/// The length of `struct ifinfomsg`.
pub(super) const INFO: usize = 16;
/// Where `struct ifinfomsg` has the index.
const INDEX: usize = 4;
/// The length of `struct rtattr`.
const ATTRIBUTE: usize = 4;

/// Which device is asked about, in the network namespace of the calling thread.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked<'a> {
    Index(i32),
    /// One of the names that it has besides its own. Since Linux 5.5.
    AlternativeName(&'a CStr),
}

/// Asks; the answer is the kernel's message.
pub(super) fn get_link(asked: Asked<'_>) -> io::Result<Vec<u8>> {
    netlink::ask(libc::RTM_GETLINK, &request(asked)?)
}

/// Asks about all devices.
pub(super) fn get_links() -> io::Result<Vec<Vec<u8>>> {
    netlink::dump(libc::RTM_GETLINK, &[0; INFO])
}

/// A message about a device.
#[derive(Clone, Copy, Debug)]
pub(super) struct DeviceMessage<'a> {
    /// What is after the header.
    body: &'a [u8],
}

impl<'a> DeviceMessage<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> io::Result<Self> {
        let message_type = u16_at(bytes, 4).ok_or_else(unreadable)?;
        if i32::from(message_type) == libc::NLMSG_ERROR {
            let errno = i32_at(bytes, HEADER).ok_or_else(unreadable)?;
            return Err(io::Error::from_raw_os_error(errno.wrapping_neg()));
        }
        if message_type != libc::RTM_NEWLINK {
            return Err(unreadable());
        }
        Self::of_dump(bytes.get(HEADER..).ok_or_else(unreadable)?)
    }

    /// A message of a dump, without its header.
    pub(super) fn of_dump(body: &'a [u8]) -> io::Result<Self> {
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
    let no_device = || io::Error::from_raw_os_error(libc::ENODEV);
    let (index, name) = match asked {
        Asked::Index(index) => (index, None),
        Asked::AlternativeName(name) => (0, Some(name.to_bytes_with_nul())),
    };
    let mut request = vec![0; INDEX];
    request.extend(index.to_ne_bytes());
    request.resize(INFO, 0);
    if let Some(name) = name {
        // No device has so long a name.
        let len = u16::try_from(ATTRIBUTE + name.len()).map_err(|_| no_device())?;
        if name.len() > LONGEST {
            return Err(no_device());
        }
        request.extend(len.to_ne_bytes());
        request.extend(IFLA_ALT_IFNAME.to_ne_bytes());
        request.extend(name);
        request.resize(request.len().next_multiple_of(4), 0);
    }
    Ok(request)
}
