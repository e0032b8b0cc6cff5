//! What `RTM_GETLINK` says about network devices, as far as programs have to do with it.

use std::ffi::{CStr, CString};
use std::io;

use super::get_link::{Asked, DeviceMessage, get_link, get_links};
use super::netlink::{Attributes, u32_at, unreadable};
use super::xdp_programs::{self, XdpProgramIds};

/// A network device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NetworkDevice {
    pub(crate) index: u32,
    pub(crate) name: CString,
    /// What sort of device it is, if its driver has told.
    pub(crate) kind: Option<CString>,
    /// The other end, or the device below, if that is in the same network namespace.
    pub(crate) linked_to: Option<u32>,
    pub(crate) xdp: XdpProgramIds,
}

/// Asks about the device with this index in the network namespace of the calling thread.
pub(crate) fn network_device(ifindex: u32) -> io::Result<NetworkDevice> {
    read(DeviceMessage::new(&get_link(Asked::Index(ifindex))?)?)
}

/// Asks about all devices of the network namespace of the calling thread.
pub(crate) fn network_devices() -> io::Result<Vec<NetworkDevice>> {
    let messages = get_links()?;
    let devices = messages.iter().map(|body| read(DeviceMessage::new(body)?));
    devices.collect()
}

fn read(message: DeviceMessage<'_>) -> io::Result<NetworkDevice> {
    let (mut name, mut kind, mut linked_to) = (None, None, None);
    let mut is_elsewhere = false;
    for (attribute, value) in message.attributes() {
        match attribute {
            libc::IFLA_IFNAME => name = text(value),
            libc::IFLA_LINK => linked_to = u32_at(value, 0),
            libc::IFLA_LINK_NETNSID => is_elsewhere = true,
            libc::IFLA_LINKINFO => {
                let found = Attributes(value).find(|(part, _)| *part == libc::IFLA_INFO_KIND);
                kind = found.and_then(|(_, value)| text(value));
            }
            _ => {}
        }
    }
    Ok(NetworkDevice {
        index: message.index()?,
        name: name.ok_or_else(unreadable)?,
        kind,
        // 0 stands for no device, as in `sit0@NONE`.
        linked_to: linked_to.filter(|index| !is_elsewhere && *index != 0),
        xdp: xdp_programs::of_device(message),
    })
}

/// A name, which need not be UTF-8; some have a NUL at the end, and some do not.
fn text(value: &[u8]) -> Option<CString> {
    match CStr::from_bytes_until_nul(value) {
        Ok(text) => Some(text.to_owned()),
        Err(_) => CString::new(value).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::get_link::INFO;
    use super::super::netlink::attribute;
    use super::*;

    #[test]
    fn a_device_is_read() -> io::Result<()> {
        let mut body = vec![0; INFO];
        body.splice(4..8, 7_u32.to_ne_bytes());
        body.extend(attribute(libc::IFLA_IFNAME, b"od\xff\0"));
        body.extend(attribute(libc::IFLA_LINK, &6_u32.to_ne_bytes()));
        let kind = attribute(libc::IFLA_INFO_KIND, b"netkit");
        body.extend(attribute(libc::IFLA_LINKINFO, &kind));
        let device = read(DeviceMessage::new(&body)?)?;
        assert_eq!(device.index, 7);
        assert_eq!(device.name.to_bytes(), b"od\xff");
        assert_eq!(device.kind.as_deref(), Some(c"netkit"));
        assert_eq!(device.linked_to, Some(6));

        // The other end is in another network namespace.
        body.extend(attribute(libc::IFLA_LINK_NETNSID, &0_u32.to_ne_bytes()));
        assert_eq!(read(DeviceMessage::new(&body)?)?.linked_to, None);
        Ok(())
    }

    #[test]
    fn what_has_no_name_is_an_error() -> io::Result<()> {
        assert!(read(DeviceMessage::new(&[0; INFO])?).is_err());
        assert!(DeviceMessage::new(&[0; INFO - 1]).is_err());
        Ok(())
    }
}
