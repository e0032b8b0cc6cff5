//! Network devices by their indices.
//!
//! A link has its device's index but not its network namespace, and indices start at 1 in each. So
//! a device is named only if, as far as the kernel tells, the device with that index here is the
//! one that the link is on.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::ffi::CStr;
use std::ops::Range;
use std::rc::Rc;

use anyhow::{Context as _, Result, bail};
use bpf_link::{AttachType, Error, Hook, LinkId, LinkKind, ProgramId};
use bpf_link_typed::{LinkInfoRef, XdpInfo};
use netlink_packet_core::{
    Emitable as _, NLM_F_REQUEST, NetlinkBuffer, NetlinkHeader, NlasIterator,
};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::failure;
use crate::notes::Notes;

const WHAT: &str = "some network devices are shown without names";

/// The network device of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Device {
    /// The device has gone, or the link was detached from it.
    Gone,
    /// It has this name here.
    Named { index: u32, name: Rc<CStr> },
    /// It is in another network namespace, or we cannot tell.
    Unknown { index: u32 },
}

#[derive(Default)]
pub(super) struct Devices {
    /// The devices of this namespace, as far as they have been asked for.
    here: RefCell<HashMap<u32, Option<Rc<Here>>>>,
    /// How many XDP links share an index and a program.
    twins: OnceCell<HashMap<(u32, ProgramId), usize>>,
}

/// A device of this network namespace.
struct Here {
    name: Rc<CStr>,
    xdp_programs: Vec<u32>,
    /// The index of the device that it is the peer of, if that is in this namespace, too.
    peer_of: Option<u32>,
}

impl Devices {
    pub(super) fn of(&self, info: &LinkInfoRef<'_>, notes: &Notes) -> Option<Device> {
        let (index, attach_type) = match info {
            LinkInfoRef::Xdp(info) => (info.ifindex, AttachType::Xdp),
            LinkInfoRef::Tcx(info) => (info.ifindex, info.attach_type.attach_type()),
            LinkInfoRef::Netkit(info) => (info.ifindex, info.attach_type.attach_type()),
            _ => return None,
        };
        let Some(index) = index else {
            return Some(Device::Gone);
        };
        let here = self.here(index, notes).filter(|here| match info {
            LinkInfoRef::Xdp(info) => self.has_xdp(here, index, info, notes),
            // The hooks of both ends are asked for at the primary one.
            LinkInfoRef::Netkit(_) if attach_type == AttachType::NetkitPeer => here
                .peer_of
                .is_some_and(|primary| has_link(primary, attach_type, info.id(), notes)),
            _ => has_link(index, attach_type, info.id(), notes),
        });
        Some(match here {
            Some(here) => Device::Named {
                index,
                name: here.name.clone(),
            },
            None => Device::Unknown { index },
        })
    }

    fn here(&self, index: u32, notes: &Notes) -> Option<Rc<Here>> {
        if let Some(known) = self.here.borrow().get(&index) {
            return known.clone();
        }
        let here = match ask(index) {
            Ok(here) => here.map(Rc::new),
            Err(error) => {
                notes.add(WHAT, failure::line(&error));
                None
            }
        };
        self.here.borrow_mut().insert(index, here.clone());
        here
    }

    /// The kernel says which XDP programs a device runs, but not through which links. Two links
    /// with the same program on devices with the same index cannot be told apart.
    fn has_xdp(&self, here: &Here, index: u32, info: &XdpInfo, notes: &Notes) -> bool {
        let Some(program) = info.program_id else {
            return false;
        };
        if !here.xdp_programs.contains(&program.get()) {
            return false;
        }
        let twins = self.twins.get_or_init(|| {
            xdp_links().unwrap_or_else(|error| {
                notes.refused(WHAT, &error);
                HashMap::new()
            })
        });
        twins.get(&(index, program)) == Some(&1)
    }
}

/// Whether this hook of this device here has the link.
fn has_link(index: u32, attach_type: AttachType, link: LinkId, notes: &Notes) -> bool {
    match Hook::of_device(attach_type, index).query() {
        Ok(hook) => hook
            .programs
            .iter()
            .any(|program| program.link == Some(link)),
        Err(error @ Error::PermissionDenied(_)) => {
            notes.refused(WHAT, &error);
            false
        }
        Err(_) => false,
    }
}

/// Counts the XDP links of this machine by what they say.
fn xdp_links() -> bpf_link::Result<HashMap<(u32, ProgramId), usize>> {
    let mut counts = HashMap::new();
    for link in bpf_link::links() {
        let link = link?;
        // A link whose kind the kernel does not even tell is not an XDP link.
        if !matches!(link.kind(), Ok(LinkKind::Xdp)) {
            continue;
        }
        let Ok(link) = bpf_link_typed::XdpLink::try_from(link) else {
            continue;
        };
        if let Ok(XdpInfo {
            ifindex: Some(index),
            program_id: Some(program),
            ..
        }) = link.info()
        {
            *counts.entry((index, program)).or_default() += 1;
        }
    }
    Ok(counts)
}

/// What is asked of netlink, and what it answers.
const GET: u16 = libc::RTM_GETLINK;
const FOUND: u16 = libc::RTM_NEWLINK;
const ERROR: u16 = 2;
/// A `struct ifinfomsg`, and the index in it.
const ABOUT: usize = 16;
const INDEX: Range<usize> = 4..8;

/// Asks for the device with this index in the network namespace of this process; `None` if there is
/// none.
fn ask(index: u32) -> Result<Option<Here>> {
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        // Protocol 0 is the routing netlink.
        None,
    )
    .context("opening a netlink socket")?;
    let mut about = [0; ABOUT];
    if let Some(place) = about.get_mut(INDEX) {
        place.copy_from_slice(&index.to_ne_bytes());
    }
    let mut header = NetlinkHeader::default();
    let mut request = vec![0; header.buffer_len()];
    header.length = u32::try_from(request.len() + ABOUT)?;
    header.message_type = GET;
    header.flags = NLM_F_REQUEST;
    header.emit(&mut request);
    request.extend(about);
    rustix::net::send(&socket, &request, SendFlags::empty()).context("sending to netlink")?;

    let mut answer = vec![0; 64 * 1024];
    let (read, _) = rustix::net::recv(&socket, &mut answer[..], RecvFlags::empty())
        .context("receiving from netlink")?;
    let answer = NetlinkBuffer::new_checked(answer.get(..read).unwrap_or_default())?;
    let payload = answer.payload();
    match answer.message_type() {
        FOUND => Here::of(payload.get(ABOUT..).unwrap_or_default()),
        ERROR => {
            let errno =
                i32::from_ne_bytes(first(payload).context("netlink sent an error without a code")?);
            match Errno::from_raw_os_error(-errno) {
                Errno::NODEV => Ok(None),
                errno => Err(errno).context("asking netlink for a device"),
            }
        }
        _ => bail!("netlink sent an unexpected answer"),
    }
}

impl Here {
    /// Reads what netlink says. A name need not be UTF-8, so it is not left to a reader that wants
    /// text.
    fn of(attributes: &[u8]) -> Result<Option<Self>> {
        let number = |value: &[u8]| first(value).map(u32::from_ne_bytes);
        let mut name = None;
        let mut xdp_programs = Vec::new();
        let (mut other_end, mut is_elsewhere) = (None, false);
        for attribute in NlasIterator::new(attributes) {
            let attribute = attribute?;
            let value = attribute.value();
            match attribute.kind() {
                libc::IFLA_IFNAME => {
                    name = CStr::from_bytes_until_nul(value).ok().map(Rc::from);
                }
                libc::IFLA_LINK => other_end = number(value),
                libc::IFLA_LINK_NETNSID => is_elsewhere = true,
                libc::IFLA_XDP => {
                    for program in NlasIterator::new(value) {
                        let program = program?;
                        // Of any mode, of the driver's, of the generic one and of the device's own.
                        if matches!(program.kind(), 4..=7) {
                            xdp_programs.extend(number(program.value()));
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(name.map(|name| Self {
            name,
            xdp_programs,
            peer_of: other_end.filter(|_| !is_elsewhere),
        }))
    }
}

/// The bytes of a number at the start.
fn first(bytes: &[u8]) -> Option<[u8; 4]> {
    bytes.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_text_is_read() -> Result<()> {
        let attribute = |kind: u16, value: &[u8]| {
            let length = u16::try_from(4 + value.len())?;
            let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
            bytes.extend(value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            anyhow::Ok(bytes)
        };
        let name = attribute(libc::IFLA_IFNAME, b"od\xff\0")?;
        let nested = [attribute(1, &[2])?, attribute(6, &34_u32.to_ne_bytes())?].concat();
        let bytes = [name, attribute(libc::IFLA_XDP, &nested)?].concat();
        let here = Here::of(&bytes)?.context("no device")?;
        assert_eq!(here.name.to_bytes(), b"od\xff");
        assert_eq!(here.xdp_programs, [34]);
        assert_eq!(here.peer_of, None);
        Ok(())
    }
}
