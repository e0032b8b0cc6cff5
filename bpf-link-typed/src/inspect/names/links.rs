//! What one look at all links tells about their devices.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bpf_link::{LinkId, LinkKind, ProgramId, SnapshotMethod, Snapshotter};

use super::note::{NamesOf, Notes};
use crate::error::Result;
use crate::kinds::{XdpInfo, XdpLink};

/// All links, looked at once it is asked for.
#[derive(Debug, Default)]
pub(super) struct Links(Mutex<Look>);

#[derive(Debug, Default)]
struct Look {
    /// The caller's. Without one, another is loaded for each snapshot: its link would be one more
    /// in the walk that names are looked up for.
    snapshotter: Option<Snapshotter>,
    /// Whether no snapshot tells of network namespaces.
    is_untold: bool,
    /// The network namespaces of devices.
    netns: Option<HashMap<LinkId, u64>>,
    /// How many XDP links have the same index and program.
    twins: Option<HashMap<(u32, ProgramId), usize>>,
}

impl Links {
    pub(super) fn with(snapshotter: Snapshotter) -> Self {
        Self(Mutex::new(Look {
            snapshotter: Some(snapshotter),
            ..Look::default()
        }))
    }

    /// The network namespace of the device that this link is on. Only a snapshot tells it.
    pub(super) fn netns_of(&self, link: LinkId, notes: &Notes) -> Option<u64> {
        let mut look = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match look.netns_of(link) {
            Ok(netns) => netns,
            Err(error) => {
                notes.add(NamesOf::Devices, error);
                None
            }
        }
    }

    /// Whether this is the only XDP link with this program on a device with this index. The kernel
    /// says which programs a device runs, but not by which links.
    pub(super) fn is_only_one(&self, index: u32, program: ProgramId, notes: &Notes) -> bool {
        let mut look = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let twins = look.twins.get_or_insert_with(|| {
            xdp_links().unwrap_or_else(|error| {
                notes.add(NamesOf::Devices, error);
                HashMap::new()
            })
        });
        twins.get(&(index, program)) == Some(&1)
    }

    pub(super) fn refresh(&mut self) {
        let look = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        (look.netns, look.twins, look.is_untold) = (None, None, false);
    }
}

impl Look {
    fn netns_of(&mut self, link: LinkId) -> Result<Option<u64>> {
        let known = self.netns.as_ref();
        if let Some(netns) = known.and_then(|netns| netns.get(&link)) {
            return Ok(Some(*netns));
        }
        if self.is_untold {
            return Ok(None);
        }
        let loaded;
        let snapshotter = if let Some(snapshotter) = &self.snapshotter {
            snapshotter
        } else {
            loaded = Snapshotter::load()?;
            &loaded
        };
        self.is_untold = !matches!(
            snapshotter.method(),
            SnapshotMethod::TypedCast | SnapshotMethod::ProbeRead
        );
        if self.is_untold {
            return Ok(None);
        }
        // A link that is newer than the last snapshot needs another one.
        let mut buf = vec![0; Snapshotter::BUFFER];
        let mut netns = HashMap::new();
        for entry in snapshotter.read(&mut buf)? {
            let entry = entry?;
            if let LinkKind::Xdp | LinkKind::Tcx | LinkKind::Netkit = entry.kind() {
                let inode = entry.netns_inode().filter(|inode| *inode != 0);
                netns.extend(inode.map(|inode| (entry.id(), u64::from(inode))));
            }
        }
        Ok(self.netns.insert(netns).get(&link).copied())
    }
}

/// Counts the XDP links of this machine by their indices and programs.
fn xdp_links() -> Result<HashMap<(u32, ProgramId), usize>> {
    let mut counts = HashMap::new();
    for link in bpf_link::links() {
        let link = link?;
        // A link whose kind the kernel does not even tell is not an XDP link.
        if !matches!(link.kind(), Ok(LinkKind::Xdp)) {
            continue;
        }
        let Ok(link) = XdpLink::try_from(link) else {
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
