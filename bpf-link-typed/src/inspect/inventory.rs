//! All links of a machine, kept up to date.

use bpf_link::{LinkId, LinkKind, RawLink, SnapshotEntry, SnapshotMethod, Snapshotter, Target};

use super::changes::Changes;
use super::entry::{InventoryEntry, Told};
use super::merge::Merge;
use crate::error::Result;
use crate::info::buf::InfoBuf;

/// All links of a machine, with what the kernel says about each, kept up to date.
///
/// [`refresh`](Self::refresh) looks at all of them, and asks the kernel only about those that are
/// new or not as before. It looks by a snapshot where this kernel and this process can make one,
/// which takes a tenth of the time of a walk or less, and otherwise by a walk.
#[derive(Debug)]
pub struct Inventory {
    snapshotter: Snapshotter,
    snapshot: Vec<u8>,
    buf: InfoBuf,
    /// In the order of their ids.
    links: Vec<InventoryEntry>,
    /// What a look that failed had seen, which the next one returns.
    unsaid: Changes,
}

impl Inventory {
    /// An inventory without links: the first [`refresh`](Self::refresh) finds them.
    ///
    /// # Errors
    ///
    /// As [`Snapshotter::load`].
    pub fn load() -> Result<Self> {
        Ok(Self::with(Snapshotter::load()?))
    }

    /// The same with this snapshotter.
    #[must_use]
    pub fn with(snapshotter: Snapshotter) -> Self {
        Self {
            snapshotter,
            snapshot: vec![0; Snapshotter::BUFFER],
            buf: InfoBuf::new(),
            links: Vec::new(),
            unsaid: Changes::default(),
        }
    }

    /// What looks at the links, which says by which method, and why not by a better one.
    #[must_use]
    pub fn snapshotter(&self) -> &Snapshotter {
        &self.snapshotter
    }

    /// Looks at all links, and returns what changed since the last look.
    ///
    /// A link whose info is refused is in the inventory all the same; what is known of it is what
    /// the snapshot tells, and the refusal. Counts of what was missed are not looked at:
    /// [`refresh_counts`](Self::refresh_counts) does.
    ///
    /// # Errors
    ///
    /// As [`Snapshotter::read`] by a snapshot, and as [`bpf_link::links`] by a walk: without
    /// snapshots, [`PermissionDenied`](bpf_link::Error::PermissionDenied) (`EPERM`) without
    /// `CAP_SYS_ADMIN`. The inventory is as before then, or as far as the look had come; what it
    /// had seen is in the next call's changes.
    ///
    /// # Kernel
    ///
    /// The system calls of [`Snapshotter::read`], and `BPF_LINK_GET_FD_BY_ID` and
    /// `BPF_OBJ_GET_INFO_BY_FD` for each link that is new or not as before.
    pub fn refresh(&mut self) -> Result<Changes> {
        match self.snapshotter.method() {
            SnapshotMethod::TypedCast | SnapshotMethod::ProbeRead => self.by_snapshot()?,
            _ => self.by_walk()?,
        }
        Ok(std::mem::take(&mut self.unsaid))
    }

    fn by_snapshot(&mut self) -> Result<()> {
        let seen = self.snapshotter.read(&mut self.snapshot)?;
        let seen: Vec<SnapshotEntry> = seen.collect::<bpf_link::Result<_>>()?;
        let before = std::mem::take(&mut self.links);
        let mut merge = Merge::new(before, &mut self.unsaid, &mut self.buf);
        for entry in seen {
            let open = || RawLink::from_id(entry.id());
            merge.meet(entry.id(), Told::Record(entry), tells_all(&entry), open);
        }
        self.links = merge.finish();
        Ok(())
    }

    fn by_walk(&mut self) -> Result<()> {
        let before = std::mem::take(&mut self.links);
        let mut merge = Merge::new(before, &mut self.unsaid, &mut self.buf);
        for link in bpf_link::links() {
            match link.and_then(|link| Ok((link.info()?, link))) {
                Ok((info, link)) => merge.meet(info.id(), Told::Info(info), true, || Ok(link)),
                Err(bpf_link::Error::Vanished(_)) => {}
                Err(error) => {
                    let Some(id) = link_of(&error) else {
                        self.links = merge.stop();
                        return Err(error.into());
                    };
                    merge.meet_refused(id, error);
                }
            }
        }
        self.links = merge.finish();
        Ok(())
    }

    /// Asks again about the links that count what they missed: `kprobe_multi`, and `perf_event` on
    /// kprobes. A link that has gone, or that is refused, stays as it was.
    pub fn refresh_counts(&mut self) {
        for entry in &mut self.links {
            let counts = [LinkKind::KprobeMulti, LinkKind::PerfEvent];
            if !entry.kind().is_some_and(|kind| counts.contains(&kind)) {
                continue;
            }
            let Ok(link) = RawLink::from_id(entry.id) else {
                continue;
            };
            if let Ok(info) = self.buf.read(&link) {
                entry.info = Ok(info.into_owned());
            }
        }
    }

    /// The link with this id, as it was at the last look.
    #[must_use]
    pub fn get(&self, id: LinkId) -> Option<&InventoryEntry> {
        let place = self.links.binary_search_by_key(&id, InventoryEntry::id);
        place.ok().and_then(|place| self.links.get(place))
    }

    /// All links as they were at the last look, in the order of their ids.
    pub fn iter(&self) -> std::slice::Iter<'_, InventoryEntry> {
        self.links.iter()
    }

    /// How many links there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.links.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }
}

impl<'a> IntoIterator for &'a Inventory {
    type Item = &'a InventoryEntry;
    type IntoIter = std::slice::Iter<'a, InventoryEntry>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Whether a snapshot tells whatever may change of a link, but for counts: its program, and whether
/// its hook is there.
fn tells_all(entry: &SnapshotEntry) -> bool {
    match entry.kind() {
        LinkKind::Xdp | LinkKind::Tcx | LinkKind::Netkit => entry.ifindex().is_some(),
        LinkKind::Cgroup => entry.cgroup_id().is_some(),
        LinkKind::Netns => entry.netns_inode().is_some(),
        LinkKind::Sockmap | LinkKind::StructOps => entry.map_id().is_some(),
        LinkKind::Unknown(_) => false,
        // What else they are attached to stays as long as they do.
        _ => true,
    }
}

/// The link that an error of a walk is about.
fn link_of(error: &bpf_link::Error) -> Option<LinkId> {
    match error.command_error()?.target() {
        Target::Link(id) => Some(*id),
        _ => None,
    }
}
