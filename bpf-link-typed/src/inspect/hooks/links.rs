//! What links say about where they are attached, from one look at all of them.

use std::sync::Arc;

use bpf_link::{
    AttachType, LinkId, LinkKind, ProgramId, RawLink, SnapshotEntry, SnapshotMethod, Snapshotter,
};

use super::attached::AttachedBy;
use crate::error::{Error, Result};
use crate::info::LinkInfo;
use crate::info::buf::InfoBuf;

/// The links on hooks whose queries do not report links.
#[derive(Debug, Default)]
pub(in crate::inspect) struct Links {
    all: Vec<HookLink>,
    /// Why links may be missing.
    pub(in crate::inspect) incomplete: Option<Arc<Error>>,
}

/// A link, and what it says.
#[derive(Clone, Copy, Debug)]
pub(in crate::inspect) struct HookLink {
    pub(super) id: LinkId,
    pub(in crate::inspect) program: Option<ProgramId>,
    pub(in crate::inspect) on: LinkPlace,
}

/// Where a link is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::inspect) enum LinkPlace {
    Xdp {
        ifindex: u32,
        /// `None` if only a snapshot would tell.
        netns: Option<u64>,
    },
    Cgroup {
        id: u64,
        attach_type: AttachType,
    },
    Netns {
        inode: u64,
        attach_type: AttachType,
    },
    Netfilter {
        family: u32,
        hook: u32,
        priority: i32,
        /// `None` if only a snapshot would tell.
        netns: Option<u64>,
    },
    Sockmap {
        map: u32,
        attach_type: AttachType,
    },
}

impl Links {
    pub(super) fn look(snapshotter: &Snapshotter, room: &mut [u8]) -> Self {
        if !matches!(
            snapshotter.method(),
            SnapshotMethod::TypedCast | SnapshotMethod::ProbeRead
        ) {
            let links = bpf_link::link_ids().map(|id| id.and_then(RawLink::from_id));
            return Self::walk(links, is_asked_for);
        }
        let mut links = Self::default();
        if let Err(error) = links.by_snapshot(snapshotter, room) {
            links.refuse(error);
        }
        links
    }

    fn by_snapshot(&mut self, snapshotter: &Snapshotter, room: &mut [u8]) -> Result<()> {
        let mut buf = InfoBuf::new();
        for entry in snapshotter.read(room)? {
            let entry = entry?;
            if !is_asked_for(entry.kind()) {
                continue;
            }
            if let Some(on) = LinkPlace::of_entry(&entry) {
                self.add(entry.id(), entry.program_id(), on);
            } else {
                self.add_info(RawLink::from_id(entry.id()), &mut buf);
            }
        }
        Ok(())
    }

    /// The links of these kinds, each opened to be asked. One that cannot be opened, or asked, is
    /// missing, and those after it are not.
    pub(in crate::inspect) fn walk(
        links: impl IntoIterator<Item = bpf_link::Result<RawLink>>,
        is_asked_for: fn(LinkKind) -> bool,
    ) -> Self {
        let mut found = Self::default();
        let mut buf = InfoBuf::new();
        for link in links {
            let kind = link.as_ref().ok().and_then(|link| link.kind().ok());
            if kind.is_none_or(is_asked_for) {
                found.add_info(link, &mut buf);
            }
        }
        found
    }

    fn add_info(&mut self, link: bpf_link::Result<RawLink>, buf: &mut InfoBuf) {
        let info = link
            .map_err(Error::from)
            .and_then(|link| Ok(buf.read(&link)?.into_owned()));
        match info {
            Ok(info) => {
                if let Some(on) = LinkPlace::of_info(&info) {
                    self.add(info.id(), info.program_id(), on);
                }
            }
            Err(Error::Link(bpf_link::Error::Vanished(_))) => {}
            Err(error) => self.refuse(error),
        }
    }

    fn add(&mut self, id: LinkId, program: Option<ProgramId>, on: LinkPlace) {
        // A link that has lost its hook attaches nothing.
        if !on.is_gone() {
            self.all.push(HookLink { id, program, on });
        }
    }

    fn refuse(&mut self, error: Error) {
        self.incomplete.get_or_insert_with(|| Arc::new(error));
    }

    pub(in crate::inspect) fn iter(&self) -> impl Iterator<Item = &HookLink> {
        self.all.iter()
    }

    /// What attaches each of these programs of a hook. `is_there` returns whether a link is on the
    /// hook, or `None` if that is not known.
    pub(super) fn of_programs(
        &self,
        programs: &[ProgramId],
        is_there: impl Fn(&LinkPlace) -> Option<bool>,
    ) -> Vec<AttachedBy> {
        let by = programs.iter().map(|program| {
            let count = programs.iter().filter(|other| *other == program).count();
            self.of_program(*program, count, &is_there)
        });
        by.collect()
    }

    /// The same for one program, which is on the hook so many times.
    pub(super) fn of_program(
        &self,
        program: ProgramId,
        count: usize,
        is_there: impl Fn(&LinkPlace) -> Option<bool>,
    ) -> AttachedBy {
        let found = self.all.iter();
        let found = found.filter(|link| link.program == Some(program));
        let found = found.map(|link| (link.id, is_there(&link.on)));
        let found: Vec<_> = found.filter(|(_, there)| *there != Some(false)).collect();
        match found.as_slice() {
            [] if self.incomplete.is_none() => AttachedBy::NoLink,
            [(id, Some(true))] if count == 1 => AttachedBy::Link(*id),
            _ => AttachedBy::Unknown(found.into_iter().map(|(id, _)| id).collect()),
        }
    }
}

/// Whether hooks of such links are looked at, and a query of the hook does not tell the links.
fn is_asked_for(kind: LinkKind) -> bool {
    matches!(
        kind,
        LinkKind::Xdp
            | LinkKind::Cgroup
            | LinkKind::Netns
            | LinkKind::Netfilter
            | LinkKind::Sockmap
    )
}

impl LinkPlace {
    /// What a snapshot says; `None` if it does not tell all.
    fn of_entry(entry: &SnapshotEntry) -> Option<Self> {
        let netns = entry.netns_inode().map(u64::from);
        Some(match entry.kind() {
            LinkKind::Xdp => Self::Xdp {
                ifindex: entry.ifindex()?,
                netns,
            },
            LinkKind::Cgroup => Self::Cgroup {
                id: entry.cgroup_id()?,
                attach_type: entry.attach_type()?,
            },
            LinkKind::Netns => Self::Netns {
                inode: netns?,
                attach_type: entry.attach_type()?,
            },
            LinkKind::Netfilter => Self::Netfilter {
                family: entry.netfilter_family()?,
                hook: entry.netfilter_hook()?,
                priority: entry.netfilter_priority()?,
                // One that is off its hook is in no namespace.
                netns: if entry.is_dead()? { Some(0) } else { netns },
            },
            LinkKind::Sockmap => Self::Sockmap {
                map: entry.map_id()?,
                attach_type: entry.attach_type()?,
            },
            _ => return None,
        })
    }

    /// What an info says; 0 for what has gone. `None` for other kinds, and what is not reported.
    fn of_info(info: &LinkInfo) -> Option<Self> {
        Some(match info {
            LinkInfo::Xdp(info) => Self::Xdp {
                ifindex: info.ifindex.unwrap_or(0),
                netns: None,
            },
            LinkInfo::Cgroup(info) => Self::Cgroup {
                id: info.cgroup_id.unwrap_or(0),
                attach_type: info.attach_type.attach_type(),
            },
            LinkInfo::Netns(info) => Self::Netns {
                inode: info.netns_ino.unwrap_or(0).into(),
                attach_type: info.attach_type.attach_type(),
            },
            LinkInfo::Netfilter(info) => Self::Netfilter {
                family: info.family.as_raw(),
                hook: info.hook.as_raw(),
                priority: info.priority,
                netns: None,
            },
            LinkInfo::Sockmap(info) => Self::Sockmap {
                map: info.map_id.map_or(0, u32::from),
                attach_type: info.attach_type.attach_type(),
            },
            _ => return None,
        })
    }

    fn is_gone(self) -> bool {
        match self {
            Self::Xdp { ifindex: 0, .. }
            | Self::Cgroup { id: 0, .. }
            | Self::Netns { inode: 0, .. }
            | Self::Sockmap { map: 0, .. } => true,
            Self::Netfilter { netns, .. } => netns == Some(0),
            _ => false,
        }
    }
}
