//! What is attached to a network device.

use std::sync::Arc;

use bpf_link::{AttachType, Hook, NetworkDevice, TcFilter, TcParent};

use super::attached::{AttachPoint, AttachedBy};
use super::inspector::{HookInspector, Seen};
use super::links::{LinkPlace, Links};
use super::note::{NoteAbout, Notes};
use super::place::{HookPlace, PlaceHooks};
use crate::attach::interface::Interface;
use crate::attach::netns::Netns;
use crate::error::{Error, Result};
use crate::inspect::own_netns::own_netns;
use crate::kinds::{NetkitHook, TcxHook, XdpMode};

/// What the kernel says about one device.
struct Looked {
    device: NetworkDevice,
    /// The inode of its network namespace, unless procfs does not tell.
    netns: Option<u64>,
    /// What is attached besides the xdp programs.
    others: Vec<Seen>,
    notes: Notes,
}

impl HookInspector {
    /// What is attached to this device: xdp programs (with a link, or set over netlink), tcx and
    /// netkit programs, and classic tc filters that are programs. Those that an incoming packet
    /// meets come first, then those for an outgoing packet, each in the order in which they run.
    ///
    /// The hooks of both ends of a netkit pair belong to the primary end. The answer for a peer has
    /// its own hook if the primary end is in the same network namespace.
    ///
    /// # Errors
    ///
    /// - [`Error::NoSuchInterface`](crate::Error::NoSuchInterface) (`ENODEV`): there is no such
    ///   device, or it has gone meanwhile.
    /// - As [`Netns`], for a device in another network namespace.
    ///
    /// Hooks that cannot be queried are in the notes: without `CAP_NET_ADMIN`, tcx and netkit.
    ///
    /// # Kernel
    ///
    /// As [`bpf_link::network_device`], [`bpf_link::tc_filters`], [`TcxHook::query`] and
    /// [`NetkitHook::query`].
    pub fn device(&mut self, interface: impl Into<Interface>) -> Result<PlaceHooks> {
        let interface = interface.into();
        let looked = interface.inside(|device| {
            let index = device.index()?;
            look(bpf_link::network_device(index)?, own_netns())
        });
        match looked {
            Ok(looked) => Ok(self.of_device(looked)),
            Err(error) => Err(interface.refused(error)),
        }
    }

    /// The same for each device of this network namespace, or of the calling thread's, even if
    /// nothing is attached to the device. A device that disappears meanwhile is left out.
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
            let netns = own_netns();
            let mut looked = Vec::new();
            for device in bpf_link::network_devices()? {
                match look(device, netns) {
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
        let mut seen = xdp(self.links(), &looked);
        seen.extend(looked.others);
        let place = HookPlace::Device {
            index: looked.device.index,
            name: looked.device.name,
        };
        self.answer(place, seen, looked.notes)
    }
}

/// The device's xdp programs. An index belongs to a network namespace, and only a snapshot reports
/// the network namespace of a link.
fn xdp(links: &Links, looked: &Looked) -> Vec<Seen> {
    let xdp = &looked.device.xdp;
    let modes = [
        (XdpMode::Hw, xdp.hardware),
        (XdpMode::Drv, xdp.driver),
        (XdpMode::Skb, xdp.generic),
    ];
    let attached = modes.into_iter();
    let attached = attached.filter_map(|(mode, program)| Some((mode, program?)));
    let (modes, programs): (Vec<_>, Vec<_>) = attached.unzip();
    let by = links.of_programs(&programs, |on| match on {
        LinkPlace::Xdp { ifindex, .. } if *ifindex != looked.device.index => Some(false),
        LinkPlace::Xdp { netns, .. } => netns.zip(looked.netns).map(|(one, other)| one == other),
        _ => Some(false),
    });
    let seen = modes.into_iter().zip(programs).zip(by);
    seen.map(|((mode, program), by)| Seen {
        point: AttachPoint::Xdp(mode),
        program,
        by,
    })
    .collect()
}

/// Asks about a device in the network namespace of the calling thread.
fn look(device: NetworkDevice, netns: Option<u64>) -> Result<Looked> {
    let index = device.index;
    let mut notes = Notes::default();
    let filters = match bpf_link::tc_filters(index) {
        Ok(filters) => filters,
        Err(error) if is_gone(&error) => return Err(error.into()),
        Err(error) => {
            notes.add(NoteAbout::TcFilters, Some(Arc::new(error.into())));
            Vec::new()
        }
    };
    let is_ingress = |filter: &TcFilter| filter.parent == TcParent::Ingress;
    let (ingress, egress): (Vec<_>, Vec<_>) = filters.into_iter().partition(is_ingress);
    let mut others = Vec::new();
    for (hook, filters) in [(TcxHook::Ingress, ingress), (TcxHook::Egress, egress)] {
        let point = AttachPoint::Tcx(hook);
        others.extend(query(hook.attach_type(), index, &point, &mut notes)?);
        others.extend(filters.into_iter().map(|filter| Seen {
            program: filter.program,
            point: AttachPoint::TcFilter(filter),
            by: AttachedBy::NoLink,
        }));
    }
    if device.kind.as_deref() == Some(c"netkit") {
        add_netkit(&device, &mut others, &mut notes)?;
    }
    Ok(Looked {
        device,
        netns,
        others,
        notes,
    })
}

fn add_netkit(device: &NetworkDevice, others: &mut Vec<Seen>, notes: &mut Notes) -> Result<()> {
    let primary = NetkitHook::Primary.attach_type();
    // Its peer is asked at the primary end.
    let is_peer = matches!(
        Hook::of_device(primary, device.index).query(),
        Err(error) if error.errno() == Some(libc::EACCES)
    );
    let hooks = if is_peer {
        &[NetkitHook::Peer][..]
    } else {
        NetkitHook::ALL
    };
    let index = device.linked_to.filter(|_| is_peer).unwrap_or(device.index);
    for hook in hooks {
        let point = AttachPoint::Netkit(*hook);
        others.extend(query(hook.attach_type(), index, &point, notes)?);
    }
    Ok(())
}

/// The programs of a hook that also lists their links.
fn query(
    hook: AttachType,
    index: u32,
    point: &AttachPoint,
    notes: &mut Notes,
) -> Result<Vec<Seen>> {
    let named = |error: bpf_link::Error| error.naming(Interface::Index(index).target());
    let programs = match Hook::of_device(hook, index).query().map_err(named) {
        Ok(found) => found.programs,
        // A kernel without this hook has no programs there.
        Err(bpf_link::Error::UnsupportedByKernel(_)) => Vec::new(),
        Err(error) if is_gone(&error) => return Err(error.into()),
        Err(error) => {
            notes.add_hook(hook, error.into());
            Vec::new()
        }
    };
    let seen = programs.into_iter().map(|program| Seen {
        point: point.clone(),
        program: program.id,
        by: program.link.map_or(AttachedBy::NoLink, AttachedBy::Link),
    });
    Ok(seen.collect())
}

fn is_gone(error: &bpf_link::Error) -> bool {
    error.errno() == Some(libc::ENODEV)
}
