//! What an inventory knows about one link.

use bpf_link::{LinkId, LinkKind, ProgramId, SnapshotEntry};

use super::description::LinkDescription;
use super::names::Names;
use crate::error::Error;
use crate::info::LinkInfo;

/// What an [`Inventory`](super::Inventory) knows about one link.
#[derive(Debug)]
pub struct InventoryEntry {
    pub(super) id: LinkId,
    pub(super) told: Told,
    // Each look moves all entries, so what is large is elsewhere.
    pub(super) info: Option<Box<LinkInfo>>,
    pub(super) refused: Option<Box<Error>>,
}

/// What decides whether to read the info again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// By a snapshot.
    Record(SnapshotEntry),
    /// By the kernel's info, without names and arrays.
    Info(Box<bpf_link::LinkInfo>),
    /// Nothing is known.
    Nothing,
}

impl Told {
    fn is_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Record(one), Self::Record(other)) => one.says_the_same(other),
            (Self::Info(one), Self::Info(other)) => one == other,
            _ => false,
        }
    }
}

impl InventoryEntry {
    /// The id of the link.
    #[must_use]
    pub fn id(&self) -> LinkId {
        self.id
    }

    /// The kind of the link; `None` if only its id is known.
    #[must_use]
    pub fn kind(&self) -> Option<LinkKind> {
        let of_info = self.info().map(LinkInfo::kind);
        of_info.or_else(|| self.snapshot().map(SnapshotEntry::kind))
    }

    /// The id of the program that is attached, or was until the link was detached. `None` for
    /// `struct_ops` links, which have no program, and if only the id of the link is known.
    #[must_use]
    pub fn program_id(&self) -> Option<ProgramId> {
        match &self.info {
            Some(info) => info.program_id(),
            None => self.snapshot().and_then(SnapshotEntry::program_id),
        }
    }

    /// Whether the hook has gone, or the link was detached from it. `None` where the kernel does
    /// not say. A snapshot tells it of `netfilter` links, too.
    #[must_use]
    pub fn is_defunct(&self) -> Option<bool> {
        let dead = self.snapshot().and_then(SnapshotEntry::is_dead);
        dead.or_else(|| self.info().and_then(LinkInfo::is_defunct))
    }

    /// The info that was read last; `None` if it could never be read, for the reason in
    /// [`refused`](Self::refused).
    ///
    /// Fields that change without notice are as old as that, or as the last
    /// [`refresh_infos`](super::Inventory::refresh_infos).
    #[must_use]
    pub fn info(&self) -> Option<&LinkInfo> {
        self.info.as_deref()
    }

    /// Why the last look could not read the info: most often [`Error::Link`] with
    /// [`PermissionDenied`](bpf_link::Error::PermissionDenied), as it takes `CAP_SYS_ADMIN` to open
    /// a link by its id. The next look tries again.
    #[must_use]
    pub fn refused(&self) -> Option<&Error> {
        self.refused.as_deref()
    }

    /// The link in the last snapshot; `None` if the inventory walks.
    #[must_use]
    pub fn snapshot(&self) -> Option<&SnapshotEntry> {
        match &self.told {
            Told::Record(entry) => Some(entry),
            Told::Info(_) | Told::Nothing => None,
        }
    }

    /// The link as the last look has it, with names for what is in its info. `None` if there is no
    /// info.
    #[must_use]
    pub fn describe<'a>(&'a self, names: &'a Names) -> Option<LinkDescription<'a>> {
        let link = LinkDescription::new(self.info()?.view(), names);
        Some(match self.snapshot() {
            Some(snapshot) => link.with_snapshot(snapshot),
            None => link,
        })
    }

    /// Whether the info is known, and nothing reported here differs from then.
    pub(super) fn is_as(&self, told: &Told) -> bool {
        self.refused.is_none() && self.told.is_as(told)
    }
}
