//! Network devices, in the network namespace of the calling thread.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd as _, BorrowedFd};

use anyhow::{Context as _, Result, bail};
use bpf_link_sys::{XDP_FLAGS_REPLACE, XDP_FLAGS_SKB_MODE};
use netlink_packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoNetkit, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
    LinkXdp, Prop,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::netlink;

/// Whether a netkit device has a peer, of `linux/if_link.h`.
const IFLA_NETKIT_PAIRING: u16 = 10;
const NETKIT_DEVICE_SINGLE: u32 = 1;

/// The kinds of network device that tests attach to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeviceKind {
    /// A device that drops what is sent.
    Dummy,
    /// Two devices, each of which receives what the other sends.
    Veth,
    /// As veth, with programs in between.
    Netkit,
    /// One of those without another. Since Linux 7.0.
    NetkitAlone,
    /// A device that sends by way of others, in turn.
    Bond,
}

impl DeviceKind {
    fn has_peer(self) -> bool {
        matches!(self, Self::Veth | Self::Netkit)
    }
}

/// A network device that a test has made, and that is removed when this is dropped; its peer goes
/// with it.
#[derive(Debug)]
pub struct Device {
    index: u32,
}

impl Device {
    /// Makes a device of this name, and, where the kind comes in pairs, a peer with `_p` after the
    /// name. Both are up.
    ///
    /// # Errors
    ///
    /// The kernel has no such kind (`EOPNOTSUPP`), and what else it answered.
    pub fn create(kind: DeviceKind, name: &str) -> Result<Self> {
        let peer = || named(&peer_name(name));
        let info = match kind {
            DeviceKind::Dummy => vec![LinkInfo::Kind(InfoKind::Dummy)],
            DeviceKind::Bond => vec![LinkInfo::Kind(InfoKind::Bond)],
            DeviceKind::Veth => vec![
                LinkInfo::Kind(InfoKind::Veth),
                LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer()))),
            ],
            DeviceKind::Netkit => vec![
                LinkInfo::Kind(InfoKind::Netkit),
                LinkInfo::Data(InfoData::Netkit(vec![InfoNetkit::Peer(peer())])),
            ],
            DeviceKind::NetkitAlone => vec![
                LinkInfo::Kind(InfoKind::Netkit),
                LinkInfo::Data(InfoData::Netkit(vec![InfoNetkit::Other(DefaultNla::new(
                    IFLA_NETKIT_PAIRING,
                    NETKIT_DEVICE_SINGLE.to_ne_bytes().to_vec(),
                ))])),
            ],
        };
        let mut message = named(name);
        message.attributes.push(LinkAttribute::LinkInfo(info));
        netlink::order(
            RouteNetlinkMessage::NewLink(message),
            NLM_F_CREATE | NLM_F_EXCL,
        )
        .with_context(|| format!("making {name}, a device of kind {kind:?}"))?;
        let device = Self {
            index: index_of(name)?,
        };
        // One of a pair cannot be brought up before it has its peer.
        bring_up(device.index)?;
        if kind.has_peer() {
            bring_up(index_of(&peer_name(name))?)?;
        }
        Ok(device)
    }

    /// The number by which the kernel knows it.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Gives it another name besides its own, of up to 127 bytes.
    ///
    /// # Errors
    ///
    /// What the kernel answered.
    pub fn add_name(&self, name: &str) -> Result<()> {
        let mut device = LinkMessage::default();
        device.header.index = self.index;
        let names = vec![Prop::AltIfName(name.to_owned())];
        device.attributes.push(LinkAttribute::PropList(names));
        netlink::order(RouteNetlinkMessage::NewLinkProp(device), NLM_F_CREATE)
            .with_context(|| format!("calling the device {} {name}", self.index))
    }

    /// Removes it, and its peer.
    ///
    /// # Errors
    ///
    /// What the kernel answered.
    pub fn delete(self) -> Result<()> {
        delete(self.index)
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // It may be gone already, and goes with the sandbox in any case.
        let _ = delete(self.index);
    }
}

/// What the peer of a device is called.
#[must_use]
pub fn peer_name(name: &str) -> String {
    format!("{name}_p")
}

/// The number of the device of this name.
///
/// # Errors
///
/// There is none (`ENODEV`).
pub fn index_of(name: &str) -> Result<u32> {
    match netlink::request(RouteNetlinkMessage::GetLink(named(name)), 0)
        .with_context(|| format!("looking for the device {name}"))?
    {
        Some(RouteNetlinkMessage::NewLink(found)) => Ok(found.header.index),
        other => bail!("netlink answered {other:?}"),
    }
}

/// Brings up the device of this number.
///
/// # Errors
///
/// What the kernel answered.
pub fn bring_up(index: u32) -> Result<()> {
    set_up(index, LinkFlags::Up).with_context(|| format!("bringing up the device {index}"))
}

/// Brings it up, or, without the flag, down.
fn set_up(index: u32, flag: LinkFlags) -> Result<()> {
    let mut device = LinkMessage::default();
    device.header.index = index;
    device.header.flags = flag;
    device.header.change_mask = LinkFlags::Up;
    netlink::order(RouteNetlinkMessage::SetLink(device), 0)
}

/// Gives the device of this number another name. It is down for a moment: kernels before 6.2 rename
/// no device that is up.
///
/// # Errors
///
/// What the kernel answered.
pub fn rename(index: u32, name: &str) -> Result<()> {
    set_up(index, LinkFlags::empty())
        .with_context(|| format!("bringing down the device {index}"))?;
    let mut device = LinkMessage::default();
    device.header.index = index;
    let name = LinkAttribute::IfName(name.to_owned());
    device.attributes.push(name);
    netlink::order(RouteNetlinkMessage::SetLink(device), 0)
        .with_context(|| format!("renaming the device {index}"))?;
    bring_up(index)
}

/// Puts the device of this number into another network namespace, where it is down.
///
/// # Errors
///
/// What the kernel answered.
pub fn move_to(index: u32, netns: BorrowedFd<'_>) -> Result<()> {
    let mut device = LinkMessage::default();
    device.header.index = index;
    let netns = LinkAttribute::NetNsFd(netns.as_raw_fd());
    device.attributes.push(netns);
    netlink::order(RouteNetlinkMessage::SetLink(device), 0)
        .with_context(|| format!("moving the device {index}"))
}

/// Gives the device of this number an address, and a route to those that begin with the same so
/// many bits.
///
/// # Errors
///
/// What the kernel answered.
pub fn add_address(index: u32, address: Ipv4Addr, bits: u8) -> Result<()> {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.index = index;
    message.header.prefix_len = bits;
    let address = IpAddr::V4(address);
    message.attributes = vec![
        AddressAttribute::Local(address),
        AddressAttribute::Address(address),
    ];
    netlink::order(
        RouteNetlinkMessage::NewAddress(message),
        NLM_F_CREATE | NLM_F_EXCL,
    )
    .with_context(|| format!("giving the device {index} the address {address}"))
}

/// Sets how many bytes a packet of this device may have.
///
/// # Errors
///
/// What the kernel answered.
pub fn set_mtu(index: u32, mtu: u32) -> Result<()> {
    let mut device = LinkMessage::default();
    device.header.index = index;
    device.attributes.push(LinkAttribute::Mtu(mtu));
    netlink::order(RouteNetlinkMessage::SetLink(device), 0)
        .with_context(|| format!("setting the MTU of the device {index}"))
}

/// Has the device of one number send by way of that of another, or on its own again. It is taken
/// down for that.
///
/// # Errors
///
/// What the kernel answered.
pub fn send_by_way_of(index: u32, master: Option<u32>) -> Result<()> {
    let mut device = LinkMessage::default();
    device.header.index = index;
    device.header.change_mask = LinkFlags::Up;
    let controller = LinkAttribute::Controller(master.unwrap_or(0));
    device.attributes.push(controller);
    netlink::order(RouteNetlinkMessage::SetLink(device), 0)
        .with_context(|| format!("putting the device {index} under {master:?}"))
}

/// Attaches an XDP program to the device of this number without a link, in the place of `expected`
/// if that is given; or takes off what is attached so.
///
/// # Errors
///
/// What the kernel answered.
pub fn set_xdp(
    index: u32,
    program: Option<BorrowedFd<'_>>,
    expected: Option<BorrowedFd<'_>>,
) -> Result<()> {
    const NONE: i32 = -1;
    let number = |fd: BorrowedFd<'_>| fd.as_raw_fd();
    let mut flags = XDP_FLAGS_SKB_MODE;
    let mut attributes = vec![LinkXdp::Fd(program.map_or(NONE, number))];
    if let Some(expected) = expected {
        flags |= XDP_FLAGS_REPLACE;
        attributes.push(LinkXdp::ExpectedFd(number(expected).try_into()?));
    }
    attributes.push(LinkXdp::Flags(flags));
    let mut device = LinkMessage::default();
    device.header.index = index;
    device.attributes.push(LinkAttribute::Xdp(attributes));
    netlink::order(RouteNetlinkMessage::SetLink(device), 0)
        .with_context(|| format!("attaching without a link to the device {index}"))
}

/// A message about the device of this name.
fn named(name: &str) -> LinkMessage {
    let mut message = LinkMessage::default();
    message
        .attributes
        .push(LinkAttribute::IfName(name.to_owned()));
    message
}

fn delete(index: u32) -> Result<()> {
    let mut device = LinkMessage::default();
    device.header.index = index;
    netlink::order(RouteNetlinkMessage::DelLink(device), 0)
        .with_context(|| format!("removing the device {index}"))
}
