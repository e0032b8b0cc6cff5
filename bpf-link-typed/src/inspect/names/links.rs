//! What one look at all links tells about their devices.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bpf_link::{LinkId, LinkKind, ProgramId, RawLink, SnapshotMethod, Snapshotter};

use super::note::{NamesOf, Notes};
use crate::error::{Error, Result};
use crate::inspect::hooks::links::{LinkPlace, Links as HookLinks};

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
    twins: Option<Twins>,
}

/// How many XDP links have the same index and program.
#[derive(Debug)]
struct Twins {
    counts: HashMap<(u32, ProgramId), usize>,
    /// Why there may be more.
    incomplete: Option<Arc<Error>>,
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
        let twins = look.twins.get_or_insert_with(Twins::look);
        if let Some(error) = &twins.incomplete {
            notes.add_shared(NamesOf::Devices, error);
            return false;
        }
        twins.counts.get(&(index, program)) == Some(&1)
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

impl Twins {
    /// Looks at the XDP links of this machine. A link that is still being attached is not met.
    fn look() -> Self {
        // A link whose kind the kernel does not even tell is not an XDP link.
        let is_told = |link: &bpf_link::Result<RawLink>| match link {
            Ok(link) => link.kind().is_ok(),
            Err(_) => true,
        };
        let links = bpf_link::links().filter(is_told);
        Self::of(&HookLinks::walk(links, |kind| kind == LinkKind::Xdp))
    }

    fn of(links: &HookLinks) -> Self {
        let mut counts = HashMap::new();
        for link in links.iter() {
            if let (LinkPlace::Xdp { ifindex, .. }, Some(program)) = (link.on, link.program) {
                *counts.entry((ifindex, program)).or_default() += 1;
            }
        }
        Self {
            counts,
            incomplete: links.incomplete.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_only_one(twins: Twins, notes: &Notes) -> bool {
        let links = Links(Mutex::new(Look {
            twins: Some(twins),
            ..Look::default()
        }));
        links.is_only_one(1, program(), notes)
    }

    fn program() -> ProgramId {
        ProgramId::new(7).expect("it is not 0")
    }

    /// One link is known. The one that is refused may have the same index and program.
    #[test]
    fn a_link_is_not_the_only_one_while_another_is_refused() {
        let refused = bpf_link::open_pinned_map("/proc").expect_err("it is not a map");
        let met = Twins::of(&HookLinks::walk([Err(refused)], |_| true));
        let [complete, incomplete] = [None, met.incomplete].map(|incomplete| Twins {
            counts: HashMap::from([((1, program()), 1)]),
            incomplete,
        });
        let notes = Notes::default();
        assert!(is_only_one(complete, &notes) && notes.all().is_empty());
        assert!(!is_only_one(incomplete, &notes));
        assert_eq!(notes.all().len(), 1);
    }
}
