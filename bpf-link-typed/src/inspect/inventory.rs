//! All links of a machine, kept up to date.

use bpf_link::{LinkId, LinkKind, RawLink, SnapshotEntry, SnapshotMethod, Snapshotter};

use super::changes::Changes;
use super::entry::{InventoryEntry, Told};
use super::merge::Merge;
use crate::error::Result;
use crate::info::LinkInfo;
use crate::info::buf::InfoBuf;

/// All links of a machine, with what the kernel says about each, kept up to date.
///
/// [`refresh`](Self::refresh) looks at all of them: by a snapshot where this kernel and this
/// process can make one, otherwise by a walk. A snapshot takes a tenth of the time of a walk or
/// less, and then only links that are new or changed are opened and asked for their infos.
#[derive(Debug)]
pub struct Inventory {
    snapshotter: Snapshotter,
    snapshot: Vec<u8>,
    buf: InfoBuf,
    /// In the order of their ids.
    links: Vec<InventoryEntry>,
    /// What the last look was kept in, with room for the next.
    seen: Vec<SnapshotEntry>,
    spare: Vec<InventoryEntry>,
}

/// A link that a walk found.
struct Met {
    id: LinkId,
    told: Told,
    /// `None` if the known info is still right.
    info: Option<Result<LinkInfo>>,
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

    /// An inventory that uses this snapshotter.
    #[must_use]
    pub fn with(snapshotter: Snapshotter) -> Self {
        Self {
            snapshotter,
            snapshot: vec![0; Snapshotter::BUFFER],
            buf: InfoBuf::new(),
            links: Vec::new(),
            seen: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// The snapshotter, which tells the method in use, and why a better one is not.
    #[must_use]
    pub fn snapshotter(&self) -> &Snapshotter {
        &self.snapshotter
    }

    /// Looks at all links, and returns what changed since the last look.
    ///
    /// A link whose info the kernel refuses stays in the inventory, with what the snapshot reports,
    /// the info that was read last, if any, and the error ([`InventoryEntry::refused`]).
    ///
    /// Two things change without notice, and are not reported: the number of events that
    /// `kprobe_multi` links and kprobes missed, and the path of a `uprobe_multi` link whose file
    /// was moved. [`refresh_infos`](Self::refresh_infos) reads them again.
    ///
    /// # Errors
    ///
    /// As [`Snapshotter::read`] by a snapshot, and as [`bpf_link::links`] by a walk: without
    /// snapshots, [`PermissionDenied`](bpf_link::Error::PermissionDenied) (`EPERM`) without
    /// `CAP_SYS_ADMIN`; and `EMFILE`, `ENFILE` or `ENOMEM` if no link can be opened for lack of
    /// descriptors or memory. An error leaves the inventory as it was.
    ///
    /// # Kernel
    ///
    /// The system calls of [`Snapshotter::read`], and `BPF_LINK_GET_FD_BY_ID` and
    /// `BPF_OBJ_GET_INFO_BY_FD` for each link that is new or changed; by a walk, for each link.
    pub fn refresh(&mut self) -> Result<Changes> {
        match self.snapshotter.method() {
            SnapshotMethod::TypedCast | SnapshotMethod::ProbeRead => self.by_snapshot(),
            _ => self.by_walk(),
        }
    }

    fn by_snapshot(&mut self) -> Result<Changes> {
        self.seen.clear();
        for entry in self.snapshotter.read(&mut self.snapshot)? {
            self.seen.push(entry?);
        }
        let mut merge = Merge::new(self.links.drain(..), &mut self.spare);
        for entry in &self.seen {
            let ask = || read_by_id(entry.id(), &mut self.buf);
            merge.meet(entry.id(), Told::Record(*entry), tells_all(entry), ask);
        }
        let changes = merge.finish();
        std::mem::swap(&mut self.links, &mut self.spare);
        Ok(changes)
    }

    fn by_walk(&mut self) -> Result<Changes> {
        let mut all = Vec::new();
        for link in bpf_link::links() {
            let met = link.and_then(|link| Ok((link.info()?, link)));
            all.push(match met {
                Ok((info, link)) => {
                    let (id, told) = (info.id(), Told::Info(Box::new(info)));
                    let is_known = self.get(id).is_some_and(|known| known.is_as(&told));
                    let info = (!is_known).then(|| read(&link, &mut self.buf));
                    Met { id, told, info }
                }
                Err(bpf_link::Error::Vanished(_)) => continue,
                Err(error) => Met {
                    id: match error.link() {
                        Some(id) if !is_exhausted(&error) => id,
                        _ => return Err(error.into()),
                    },
                    told: Told::Nothing,
                    info: Some(Err(error.into())),
                },
            });
        }
        let mut merge = Merge::new(self.links.drain(..), &mut self.spare);
        for Met { id, told, info } in all {
            let tells_all = info.is_none();
            let ask = || info.unwrap_or_else(|| read_by_id(id, &mut self.buf));
            merge.meet(id, told, tells_all, ask);
        }
        let changes = merge.finish();
        std::mem::swap(&mut self.links, &mut self.spare);
        Ok(changes)
    }

    /// Reads the infos again of all `kprobe_multi`, `uprobe_multi` and `perf_event` links, as these
    /// change without notice. The entry of a link that is gone, or whose info is refused, stays as
    /// it was.
    ///
    /// # Errors
    ///
    /// [`Error::Link`](crate::Error::Link) with `EMFILE`, `ENFILE` or `ENOMEM`: no link can be
    /// opened for lack of descriptors or memory. Some infos may have been read already.
    pub fn refresh_infos(&mut self) -> Result<()> {
        const KINDS: [LinkKind; 3] = [
            LinkKind::KprobeMulti,
            LinkKind::UprobeMulti,
            LinkKind::PerfEvent,
        ];
        for entry in &mut self.links {
            let info = entry.info.as_mut();
            let Some(info) = info.filter(|info| KINDS.contains(&info.kind())) else {
                continue;
            };
            match read_by_id(entry.id, &mut self.buf) {
                Ok(read) => **info = read,
                Err(crate::Error::Link(error)) if is_exhausted(&error) => return Err(error.into()),
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// The link with this id, as of the last look.
    #[must_use]
    pub fn get(&self, id: LinkId) -> Option<&InventoryEntry> {
        let place = self.links.binary_search_by_key(&id, InventoryEntry::id);
        place.ok().and_then(|place| self.links.get(place))
    }

    /// All links as of the last look, in the order of their ids.
    pub fn iter(&self) -> std::slice::Iter<'_, InventoryEntry> {
        self.links.iter()
    }

    /// The number of links.
    #[must_use]
    pub fn len(&self) -> usize {
        self.links.len()
    }

    /// Whether the last look found no links.
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

fn read_by_id(id: LinkId, buf: &mut InfoBuf) -> Result<LinkInfo> {
    read(&RawLink::from_id(id)?, buf)
}

fn read(link: &RawLink, buf: &mut InfoBuf) -> Result<LinkInfo> {
    Ok(buf.read(link)?.into_owned())
}

/// Whether a snapshot shows every change of such a link that `refresh` reports: another program, or
/// the loss of its hook.
fn tells_all(entry: &SnapshotEntry) -> bool {
    match entry.kind() {
        LinkKind::Xdp | LinkKind::Tcx | LinkKind::Netkit => entry.ifindex().is_some(),
        LinkKind::Cgroup => entry.cgroup_id().is_some(),
        LinkKind::Netns => entry.netns_inode().is_some(),
        LinkKind::Sockmap | LinkKind::StructOps => entry.map_id().is_some(),
        LinkKind::Unknown(_) => false,
        // The others never lose their hooks.
        _ => true,
    }
}

/// Whether no link can be opened for lack of descriptors or memory.
fn is_exhausted(error: &bpf_link::Error) -> bool {
    const NOTHING_LEFT: [i32; 3] = [libc::EMFILE, libc::ENFILE, libc::ENOMEM];
    error
        .errno()
        .is_some_and(|errno| NOTHING_LEFT.contains(&errno))
}
