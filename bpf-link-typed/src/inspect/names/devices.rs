//! Network devices of links.
//!
//! A link has its device's index but not its network namespace, and indices start at 1 in each. So
//! a device is named only if, as far as the kernel tells, it is the one that the link is on.

use std::ffi::CStr;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use bpf_link::{AttachType, Hook, LinkId, NetworkDevice, ProgramId, Snapshotter, network_device};

use super::kept::Kept;
use super::links::Links;
use super::namespaces::{self, Namespaces};
use super::note::{NamesOf, Notes};
use crate::error::Error;
use crate::info::LinkInfoRef;
use crate::inspect::own_netns::own_netns;

/// The network device that a link is on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkDevice {
    /// The device has gone, or the link was detached from it.
    Gone,
    /// In the network namespace of the calling thread.
    Here {
        /// Its index.
        index: u32,
        /// Its name.
        name: Arc<CStr>,
    },
    /// In another network namespace.
    Elsewhere {
        /// Its index there.
        index: u32,
        /// Its name there; `None` if the namespace was not found, or may not be entered.
        name: Option<Arc<CStr>>,
        /// The inode of the namespace, as of its file.
        netns: u64,
    },
    /// It cannot be told in which network namespace the device is.
    Unknown {
        /// Its index there.
        index: u32,
    },
}

impl LinkDevice {
    /// Its index in its network namespace; `None` if it has gone.
    #[must_use]
    pub fn index(&self) -> Option<u32> {
        match self {
            Self::Gone => None,
            Self::Here { index, .. } | Self::Elsewhere { index, .. } | Self::Unknown { index } => {
                Some(*index)
            }
        }
    }

    /// Its name; `None` if it has gone, or the name was not found.
    #[must_use]
    pub fn name(&self) -> Option<&CStr> {
        match self {
            Self::Here { name, .. } => Some(name),
            Self::Elsewhere { name, .. } => name.as_deref(),
            Self::Gone | Self::Unknown { .. } => None,
        }
    }

    /// The inode of its network namespace, if that is another one than the calling thread's. `None`
    /// if it is the same, if it cannot be told, and for a device that has gone.
    #[must_use]
    pub fn other_netns(&self) -> Option<u64> {
        match self {
            Self::Elsewhere { netns, .. } => Some(*netns),
            Self::Gone | Self::Here { .. } | Self::Unknown { .. } => None,
        }
    }
}

/// The devices that have been asked for.
#[derive(Debug, Default)]
pub(super) struct Devices {
    /// The namespace of the calling thread; `None` if procfs does not tell.
    own: OnceLock<Option<u64>>,
    /// By their indices in that namespace.
    here: Kept<u32, Arc<NetworkDevice>>,
    /// In others.
    elsewhere: Kept<(u64, u32), Arc<NetworkDevice>>,
    /// What was found out about links: by their ids, the index that each reports, and the network
    /// namespace that a snapshot has told.
    answers: Kept<(LinkId, u32, Option<u64>), LinkDevice>,
    namespaces: Namespaces,
    links: Links,
}

/// What a link says about its device.
#[derive(Clone, Copy)]
struct Asked {
    link: LinkId,
    index: Option<u32>,
    attach_type: AttachType,
    program: Option<ProgramId>,
}

impl Asked {
    fn of(info: &LinkInfoRef<'_>) -> Option<Self> {
        let (index, attach_type) = match info {
            LinkInfoRef::Xdp(info) => (info.ifindex, AttachType::Xdp),
            LinkInfoRef::Tcx(info) => (info.ifindex, info.attach_type.attach_type()),
            LinkInfoRef::Netkit(info) => (info.ifindex, info.attach_type.attach_type()),
            _ => return None,
        };
        Some(Self {
            link: info.id(),
            index,
            attach_type,
            program: info.program_id(),
        })
    }

    fn is_xdp(self) -> bool {
        self.attach_type == AttachType::Xdp
    }

    /// Whether this device runs the link's program. For all but xdp, the kernel is asked about the
    /// network namespace of the calling thread.
    fn is_run_by(self, device: &NetworkDevice, notes: &Notes) -> bool {
        if !self.is_xdp() {
            return has_link(device, self, notes);
        }
        let programs = [device.xdp.generic, device.xdp.driver, device.xdp.hardware];
        self.program.is_some() && programs.contains(&self.program)
    }

    /// The same for a device of another network namespace, of which this is a file.
    fn is_run_there(self, netns: u64, file: &Path, device: &NetworkDevice, notes: &Notes) -> bool {
        // What is known of the device has its programs for xdp.
        if self.is_xdp() {
            return self.is_run_by(device, notes);
        }
        let is_run = namespaces::inside(netns, file, || Ok(self.is_run_by(device, notes)));
        match is_run {
            Ok(is_run) => is_run == Some(true),
            Err(error) => {
                notes.add(NamesOf::Devices, error);
                false
            }
        }
    }
}

impl Devices {
    pub(super) fn with(snapshotter: Snapshotter) -> Self {
        Self {
            links: Links::with(snapshotter),
            ..Self::default()
        }
    }

    /// The device of this link, if its kind has one. `told` is its network namespace, if that is
    /// known.
    pub(super) fn of(
        &self,
        info: &LinkInfoRef<'_>,
        told: Option<u64>,
        notes: &Notes,
    ) -> Option<LinkDevice> {
        let asked = Asked::of(info)?;
        let Some(index) = asked.index else {
            return Some(LinkDevice::Gone);
        };
        self.answers.get((asked.link, index, told), || {
            Some(self.find(asked, index, told, notes))
        })
    }

    fn find(&self, asked: Asked, index: u32, told: Option<u64>, notes: &Notes) -> LinkDevice {
        let named = |device: &NetworkDevice| LinkDevice::Here {
            index,
            name: device.name.as_c_str().into(),
        };
        let mut netns = told;
        if netns.is_none() {
            // The kernel says by which links a device runs these programs, but for xdp it does not.
            if !asked.is_xdp() {
                let here = self.here(index, notes);
                if let Some(here) = here.filter(|here| has_link(here, asked, notes)) {
                    return named(&here);
                }
            }
            netns = self.links.netns_of(asked.link, notes);
        }
        // Without either of the two namespaces, the devices themselves have to tell.
        let (Some(netns), Some(own)) = (netns, self.own()) else {
            return self.compare(asked, index, notes);
        };
        if netns != own {
            return LinkDevice::Elsewhere {
                index,
                name: self.name_in(netns, index, notes),
                netns,
            };
        }
        match self.here(index, notes) {
            Some(here) => named(&here),
            None => LinkDevice::Unknown { index },
        }
    }

    /// A file of the network namespace with this inode.
    pub(super) fn netns(&self, inode: u64) -> Option<Arc<Path>> {
        self.namespaces.all().files.get(&inode).cloned()
    }

    pub(super) fn refresh(&mut self) {
        self.own = OnceLock::new();
        self.here.forget();
        self.elsewhere.forget();
        self.answers.forget();
        self.namespaces.forget();
        self.links.refresh();
    }

    fn own(&self) -> Option<u64> {
        *self.own.get_or_init(own_netns)
    }

    fn here(&self, index: u32, notes: &Notes) -> Option<Arc<NetworkDevice>> {
        self.here.get(index, || found(network_device(index), notes))
    }

    fn name_in(&self, netns: u64, index: u32, notes: &Notes) -> Option<Arc<CStr>> {
        let all = self.namespaces.all();
        let Some(file) = all.files.get(&netns) else {
            if let Some(error) = &all.unread {
                notes.add_shared(NamesOf::Devices, error);
            }
            return None;
        };
        let device = self.there(netns, file, index, notes)?;
        Some(device.name.as_c_str().into())
    }

    fn there(
        &self,
        netns: u64,
        file: &Path,
        index: u32,
        notes: &Notes,
    ) -> Option<Arc<NetworkDevice>> {
        self.elsewhere.get((netns, index), || {
            match namespaces::inside(netns, file, || Ok(network_device(index))) {
                Ok(device) => found(device?, notes),
                Err(error) => {
                    notes.add(NamesOf::Devices, error);
                    None
                }
            }
        })
    }

    /// Without a snapshot, the device is that which runs the link's program, if there is one only.
    fn compare(&self, asked: Asked, index: u32, notes: &Notes) -> LinkDevice {
        let own = self.own();
        let mut fitting = Vec::new();
        let here = self.here(index, notes);
        let here = here.filter(|here| asked.is_run_by(here, notes));
        fitting.extend(here.map(|here| (own, here)));
        for (netns, file) in &self.namespaces.all().files {
            if Some(*netns) == own {
                continue;
            }
            let Some(device) = self.there(*netns, file, index, notes) else {
                continue;
            };
            if asked.is_run_there(*netns, file, &device, notes) {
                fitting.push((Some(*netns), device));
            }
        }
        let is_certain = || match asked.program {
            Some(program) if asked.is_xdp() => self.links.is_only_one(index, program, notes),
            _ => true,
        };
        match fitting.as_slice() {
            [(netns, device)] if is_certain() => {
                let name = device.name.as_c_str().into();
                match netns.filter(|_| *netns != own) {
                    Some(netns) => LinkDevice::Elsewhere {
                        index,
                        name: Some(name),
                        netns,
                    },
                    None => LinkDevice::Here { index, name },
                }
            }
            _ => LinkDevice::Unknown { index },
        }
    }
}

/// Whether this device of the calling thread's network namespace has the link.
fn has_link(device: &NetworkDevice, asked: Asked, notes: &Notes) -> bool {
    let index = match asked.attach_type {
        // The hooks of both ends are asked for at the primary one.
        AttachType::NetkitPeer => match device.linked_to {
            Some(primary) => primary,
            None => return false,
        },
        _ => device.index,
    };
    match Hook::of_device(asked.attach_type, index).query() {
        Ok(hook) => {
            let mut programs = hook.programs.iter();
            programs.any(|program| program.link == Some(asked.link))
        }
        Err(error @ bpf_link::Error::PermissionDenied(_)) => {
            notes.add(NamesOf::Devices, error);
            false
        }
        Err(_) => false,
    }
}

fn found(device: bpf_link::Result<NetworkDevice>, notes: &Notes) -> Option<Arc<NetworkDevice>> {
    match device {
        Ok(device) => Some(Arc::new(device)),
        Err(error) if error.errno() == Some(libc::ENODEV) => None,
        Err(error) => {
            notes.add(NamesOf::Devices, Error::from(error));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::XdpInfo;

    /// Where procfs does not tell the namespace of this thread, that of the link may be the same.
    #[test]
    fn a_device_is_not_elsewhere_if_it_may_be_here() {
        let devices = Devices {
            own: OnceLock::from(None),
            ..Devices::default()
        };
        let info = LinkInfoRef::Xdp(XdpInfo {
            id: LinkId::new(1).expect("it is not 0"),
            program_id: None,
            ifindex: Some(1),
        });
        let found = devices.of(&info, Some(4_026_531_840), &Notes::default());
        assert_eq!(found, Some(LinkDevice::Unknown { index: 1 }));
    }
}
