//! What is attached to a network device.

use std::fs::File;

use bpf_link::{AttachType, Hook, LinkId, NetworkDevice, ProgramId, TcParent};

use super::attached::{AttachPoint, AttachedBy};
use super::inspector::{HookInspector, Seen};
use super::links::{LinkPlace, Links};
use super::note::{NoteAbout, Notes};
use super::place::{HookPlace, PlaceHooks};
use crate::attach::interface::Interface;
use crate::attach::netns::Netns;
use crate::error::{Error, Result};
use crate::kinds::{NetkitHook, TcxHook, XdpMode};

/// What the kernel says about one device.
struct Looked {
    device: NetworkDevice,
    /// The inode of its network namespace, unless procfs does not tell.
    netns: Option<u64>,
    found: Vec<(AttachPoint, ProgramId, Option<LinkId>)>,
    notes: Notes,
}

impl HookInspector {
    /// What is attached to this device: programs for xdp (with a link or set over netlink), for tcx
    /// and for netkit, and classic filters of the traffic control that are programs. They are in
    /// the order in which an incoming packet meets them, and then an outgoing one.
    ///
    /// The hooks of both ends of a netkit pair belong to the primary end. For the peer, its own
    /// hook is told if the primary end is in the same network namespace.
    ///
    /// # Errors
    ///
    /// - [`Error::NoSuchInterface`](crate::Error::NoSuchInterface) (`ENODEV`): there is no such
    ///   device, or it has gone meanwhile.
    /// - As [`Netns`], for a device in another network namespace.
    ///
    /// Hooks that cannot be asked are notes: without `CAP_NET_ADMIN`, those of tcx and netkit.
    ///
    /// # Kernel
    ///
    /// As [`bpf_link::network_device`], [`bpf_link::tc_filters`], [`TcxHook::query`] and
    /// [`NetkitHook::query`].
    pub fn device(&mut self, interface: impl Into<Interface>) -> Result<PlaceHooks> {
        let interface = interface.into();
        let looked = interface.inside(|device| {
            let index = device.index()?;
            let found = bpf_link::network_device(index).map_err(Error::from);
            found.and_then(look)
        });
        match looked {
            Ok(looked) => Ok(self.of_device(looked)),
            Err(Error::Link(source)) if is_gone(&source) => Err(interface.missing(source)),
            Err(error) => Err(error),
        }
    }

    /// The same for each device of this network namespace, or of that of the calling thread, also
    /// if nothing is attached to it. A device that goes meanwhile is left out.
    ///
    /// # Errors
    ///
    /// As [`bpf_link::network_devices`], and as [`Netns`].
    ///
    /// # Kernel
    ///
    /// As [`device`](Self::device).
    pub fn devices(&mut self, netns: Option<&Netns>) -> Result<Vec<PlaceHooks>> {
        let look_at_all = || {
            let mut looked = Vec::new();
            for device in bpf_link::network_devices()? {
                match look(device) {
                    Err(Error::Link(error)) if is_gone(&error) => {}
                    device => looked.push(device?),
                }
            }
            Ok(looked)
        };
        let looked = match netns {
            Some(netns) => netns.inside(look_at_all)?,
            None => look_at_all()?,
        };
        let devices = looked.into_iter().map(|looked| self.of_device(looked));
        Ok(devices.collect())
    }

    fn of_device(&mut self, looked: Looked) -> PlaceHooks {
        let by = xdp_links(self.links(), &looked);
        let mut by = by.into_iter();
        let seen = looked.found.into_iter().map(|(point, program, link)| Seen {
            by: match (&point, link) {
                (AttachPoint::Xdp(_), _) => by.next().unwrap_or(AttachedBy::NoLink),
                (_, Some(link)) => AttachedBy::Link(link),
                (_, None) => AttachedBy::NoLink,
            },
            point,
            program,
        });
        let place = HookPlace::Device {
            index: looked.device.index,
            name: looked.device.name,
        };
        let seen = seen.collect();
        self.answer(place, seen, looked.notes)
    }
}

/// By what its programs for xdp are attached. Indices are those of a network namespace, which a
/// link tells only in a snapshot.
fn xdp_links(links: &Links, looked: &Looked) -> Vec<AttachedBy> {
    let programs = looked.found.iter();
    let programs = programs.filter(|(point, ..)| matches!(point, AttachPoint::Xdp(_)));
    let programs: Vec<_> = programs.map(|(_, program, _)| *program).collect();
    links.of_programs(&programs, |on| match on {
        LinkPlace::Xdp { ifindex, .. } if *ifindex != looked.device.index => Some(false),
        LinkPlace::Xdp { netns, .. } => netns.zip(looked.netns).map(|(one, other)| one == other),
        _ => Some(false),
    })
}

/// Asks about a device in the network namespace of the calling thread.
fn look(device: NetworkDevice) -> Result<Looked> {
    let index = device.index;
    let mut notes = Notes::default();
    let xdp = [
        (XdpMode::Hw, device.xdp.hardware),
        (XdpMode::Drv, device.xdp.driver),
        (XdpMode::Skb, device.xdp.generic),
    ];
    let xdp = xdp.into_iter().filter_map(|(mode, program)| {
        let program = program?;
        Some((AttachPoint::Xdp(mode), program, None))
    });
    let mut found: Vec<_> = xdp.collect();

    let filters = match bpf_link::tc_filters(index) {
        Ok(filters) => filters,
        Err(error) if is_gone(&error) => return Err(error.into()),
        Err(error) => {
            notes.add(
                NoteAbout::TcFilters,
                Some(std::sync::Arc::new(error.into())),
            );
            Vec::new()
        }
    };
    let mut filters = filters.into_iter().peekable();
    for hook in [TcxHook::Ingress, TcxHook::Egress] {
        let of_hook = query(hook.attach_type(), index, &mut notes)?;
        found.extend(of_hook.map(|(program, link)| (AttachPoint::Tcx(hook), program, link)));
        let last = match hook {
            TcxHook::Ingress => TcParent::Ingress,
            _ => TcParent::Class(u32::MAX),
        };
        while let Some(filter) = filters.next_if(|filter| filter.parent <= last) {
            let program = filter.program;
            found.push((AttachPoint::TcFilter(filter), program, None));
        }
    }
    if device.kind.as_deref() == Some(c"netkit") {
        add_netkit(&device, &mut found, &mut notes)?;
    }
    let netns = File::open("/proc/thread-self/ns/net");
    let netns = netns
        .ok()
        .and_then(|file| bpf_link::netns_inode(&file).ok());
    Ok(Looked {
        device,
        netns: netns.flatten(),
        found,
        notes,
    })
}

fn add_netkit(
    device: &NetworkDevice,
    found: &mut Vec<(AttachPoint, ProgramId, Option<LinkId>)>,
    notes: &mut Notes,
) -> Result<()> {
    let primary = NetkitHook::Primary.attach_type();
    // Its peer is asked at the primary end.
    let is_peer = matches!(
        Hook::of_device(primary, device.index).query(),
        Err(error) if error.errno() == Some(libc::EACCES)
    );
    let (hooks, index) = match device.other {
        Some(other) if is_peer => (&[NetkitHook::Peer][..], other),
        _ if is_peer => (&[NetkitHook::Peer][..], device.index),
        _ => (&[NetkitHook::Primary, NetkitHook::Peer][..], device.index),
    };
    for hook in hooks {
        let of_hook = query(hook.attach_type(), index, notes)?;
        found.extend(of_hook.map(|(program, link)| (AttachPoint::Netkit(*hook), program, link)));
    }
    Ok(())
}

/// The programs of a hook, each with its link if it has one.
fn query(
    hook: AttachType,
    index: u32,
    notes: &mut Notes,
) -> Result<impl Iterator<Item = (ProgramId, Option<LinkId>)> + use<>> {
    let programs = match Hook::of_device(hook, index).query() {
        Ok(found) => found.programs,
        // What the kernel does not have has no programs.
        Err(bpf_link::Error::UnsupportedByKernel(_)) => Vec::new(),
        Err(error) if is_gone(&error) => return Err(error.into()),
        Err(error) => {
            notes.add_hook(hook, error.into());
            Vec::new()
        }
    };
    Ok(programs
        .into_iter()
        .map(|program| (program.id, program.link)))
}

fn is_gone(error: &bpf_link::Error) -> bool {
    error.errno() == Some(libc::ENODEV)
}
