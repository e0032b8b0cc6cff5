//! Network devices by their indices.
//!
//! A link says the index of its device and not in which network namespace, and every namespace begins to count at 1. So a
//! name is given only if the device of that index here has the link's program, as far as the kernel tells.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use anyhow::{Context as _, Result, bail};
use bpf_link::{AttachType, Error, Hook, LinkId, LinkKind, ProgramId};
use bpf_link_typed::{LinkInfoRef, XdpInfo};
use netlink_packet_core::{NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkMessage, LinkXdp};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::failure;
use crate::notes::Notes;

const WHAT: &str = "network devices may be shown without names";

/// The network device of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Device {
    /// The device has gone, or the link was detached from it.
    Gone,
    /// It has this name here.
    Named { index: u32, name: Rc<str> },
    /// It is in another network namespace, or that cannot be told.
    Unknown { index: u32 },
}

#[derive(Default)]
pub(super) struct Devices {
    /// The devices of this namespace, as far as they have been asked for.
    here: RefCell<HashMap<u32, Option<Rc<Here>>>>,
    /// How many XDP links there are with the same index and the same program.
    twins: OnceCell<HashMap<(u32, ProgramId), usize>>,
}

/// A device of this network namespace.
struct Here {
    name: Rc<str>,
    xdp_programs: Vec<u32>,
    /// The index of the device that it is the peer of, if that is in this namespace, too.
    peer_of: Option<u32>,
}

impl Devices {
    pub(super) fn of(&self, info: &LinkInfoRef<'_>, notes: &Notes) -> Option<Device> {
        let (index, attach_type) = match info {
            LinkInfoRef::Xdp(info) => (info.ifindex, AttachType::Xdp),
            LinkInfoRef::Tcx(info) => (info.ifindex, info.attach_type),
            LinkInfoRef::Netkit(info) => (info.ifindex, info.attach_type),
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

    /// The kernel says which XDP programs a device has, and not by which links: two links with the same program on devices
    /// with the same index cannot be told apart.
    fn has_xdp(&self, here: &Here, index: u32, info: &XdpInfo, notes: &Notes) -> bool {
        let Some(program) = info.program_id else {
            return false;
        };
        if !here.xdp_programs.contains(&program.get()) {
            return false;
        }
        let twins = self.twins.get_or_init(|| {
            xdp_links().unwrap_or_else(|error| {
                notes.refused(WHAT, error);
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
            notes.refused(WHAT, error);
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
        // One of which the kernel does not tell even the kind is not an XDP link.
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

/// Asks for the device with this index in the network namespace of this process; `None` if there is none.
fn ask(index: u32) -> Result<Option<Here>> {
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        // Protocol 0 is the routing netlink.
        None,
    )
    .context("opening a netlink socket")?;
    let mut request = LinkMessage::default();
    request.header.index = index;
    let mut message = NetlinkMessage::from(RouteNetlinkMessage::GetLink(request));
    message.header.flags = NLM_F_REQUEST;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    rustix::net::send(&socket, &bytes, SendFlags::empty()).context("sending to netlink")?;

    let mut answer = vec![0; 64 * 1024];
    let (read, _) = rustix::net::recv(&socket, &mut answer[..], RecvFlags::empty())
        .context("receiving from netlink")?;
    let answer = answer.get(..read).unwrap_or_default();
    match NetlinkMessage::<RouteNetlinkMessage>::deserialize(answer)?.payload {
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(found)) => {
            Ok(Here::of(&found.attributes))
        }
        NetlinkPayload::Error(error) => match Errno::from_io_error(&error.to_io()) {
            Some(Errno::NODEV) => Ok(None),
            _ => Err(error.to_io()).context("asking netlink for a device"),
        },
        _ => bail!("netlink has not answered what it was asked"),
    }
}

impl Here {
    fn of(attributes: &[LinkAttribute]) -> Option<Self> {
        let mut name = None;
        let mut xdp_programs = Vec::new();
        let (mut other_end, mut is_elsewhere) = (None, false);
        for attribute in attributes {
            match attribute {
                LinkAttribute::IfName(found) => name = Some(found.as_str().into()),
                LinkAttribute::Link(index) => other_end = Some(*index),
                LinkAttribute::LinkNetNsId(_) => is_elsewhere = true,
                LinkAttribute::Xdp(found) => {
                    xdp_programs.extend(found.iter().filter_map(|found| match found {
                        LinkXdp::ProgId(id)
                        | LinkXdp::DrvProgId(id)
                        | LinkXdp::SkbProgId(id)
                        | LinkXdp::HwProgId(id) => Some(*id),
                        _ => None,
                    }));
                }
                _ => {}
            }
        }
        Some(Self {
            name: name?,
            xdp_programs,
            peer_of: other_end.filter(|_| !is_elsewhere),
        })
    }
}
