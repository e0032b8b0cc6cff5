//! What is known about one link, put together.

use std::path::PathBuf;

use bpf_link::{IterTarget, LinkId, MapId, SnapshotEntry};

use super::holders::{Holder, Holders};
use super::names::{LinkDevice, Names};
use super::pins::Pins;
use crate::info::LinkInfoRef;

/// What is known about one link: the kernel's info, names for what is in it, where the link is
/// pinned, and who holds it.
///
/// With the feature `serde`, it serializes to the keys of `bpftool -j link show`, in their order,
/// and then those that bpftool does not have. Names are looked up while it is serialized.
/// [`LinkInfo`](crate::LinkInfo) itself serializes to a different form, which can be deserialized.
///
#[doc = include_str!("../../docs/json.md")]
///
/// What could not be found out is left out. [`Names::notes`], [`Pins::notes`] and
/// [`Holders::unread`] say why.
///
/// ```no_run
/// use bpf_link_typed::InfoBuf;
/// use bpf_link_typed::inspect::{Holders, LinkDescription, Names, Pins};
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let (names, mut pins, mut holders) = (Names::new(), Pins::new(), Holders::new());
/// pins.refresh();
/// holders.refresh();
/// let mut buf = InfoBuf::new();
/// for link in bpf_link_typed::links() {
///     let link = LinkDescription::new(buf.read(&link?)?, &names)
///         .with_pins(&pins)
///         .with_holders(&holders);
/// #   #[cfg(feature = "serde")]
///     println!("{}", serde_json::to_string(&link)?);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct LinkDescription<'a> {
    /// What the kernel says about it.
    pub info: LinkInfoRef<'a>,
    /// What things are called.
    pub names: &'a Names,
    /// What a snapshot has told of it, if one was taken.
    pub snapshot: Option<&'a SnapshotEntry>,
    /// Where it is pinned, if that was looked for.
    pub pinned: Option<&'a [PathBuf]>,
    /// Who holds it, if that was looked for.
    pub holders: Option<&'a [Holder]>,
}

impl<'a> LinkDescription<'a> {
    /// A link without pins and holders.
    #[must_use]
    pub fn new(info: LinkInfoRef<'a>, names: &'a Names) -> Self {
        Self {
            info,
            names,
            snapshot: None,
            pinned: None,
            holders: None,
        }
    }

    /// With what a snapshot has told of the same link.
    #[must_use]
    pub fn with_snapshot(self, snapshot: &'a SnapshotEntry) -> Self {
        Self {
            snapshot: Some(snapshot),
            ..self
        }
    }

    /// With the pins of the last look at them.
    #[must_use]
    pub fn with_pins(self, pins: &'a Pins) -> Self {
        Self {
            pinned: Some(pins.of(self.id())),
            ..self
        }
    }

    /// With the holders of the last look at them.
    #[must_use]
    pub fn with_holders(self, holders: &'a Holders) -> Self {
        Self {
            holders: Some(holders.of(self.id())),
            ..self
        }
    }

    /// The id of the link.
    #[must_use]
    pub fn id(&self) -> LinkId {
        self.info.id()
    }

    /// Whether the hook has gone, or the link was detached from it. `None` where the kernel does
    /// not say. A snapshot tells it of `netfilter` links, too.
    #[must_use]
    pub fn is_defunct(&self) -> Option<bool> {
        let dead = self.snapshot.and_then(SnapshotEntry::is_dead);
        dead.or_else(|| self.info.is_defunct())
    }

    /// The network device that the link is on; `None` for a kind that is not on a device.
    #[must_use]
    pub fn device(&self) -> Option<LinkDevice> {
        match self.snapshot {
            Some(snapshot) => self.names.device_in_snapshot(&self.info, snapshot),
            None => self.names.device(&self.info),
        }
    }

    /// The cgroup that the link is on, or that it iterates over.
    #[must_use]
    pub fn cgroup_id(&self) -> Option<u64> {
        match &self.info {
            LinkInfoRef::Cgroup(info) => info.cgroup_id,
            LinkInfoRef::Iter(info) => match info.target {
                IterTarget::Cgroup { cgroup_id, .. } => Some(cgroup_id),
                _ => None,
            },
            _ => None,
        }
    }

    /// The map that the link attaches, that it is on, or that it iterates over.
    #[must_use]
    pub fn map_id(&self) -> Option<MapId> {
        match &self.info {
            LinkInfoRef::StructOps(info) => info.map_id,
            LinkInfoRef::Sockmap(info) => info.map_id,
            LinkInfoRef::Iter(info) => match info.target {
                IterTarget::Map(id) => Some(id),
                _ => None,
            },
            _ => None,
        }
    }
}
