//! What an inventory knows of one link.

use bpf_link::{Error as LinkError, LinkId, LinkKind, ProgramId, SnapshotEntry};

use crate::error::Error;
use crate::info::LinkInfo;

/// What an [`Inventory`](super::Inventory) knows of one link.
#[derive(Debug)]
pub struct InventoryEntry {
    pub(super) id: LinkId,
    pub(super) told: Told,
    pub(super) info: Result<LinkInfo, Error>,
}

/// What tells whether the info has to be asked for again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// By a snapshot.
    Record(SnapshotEntry),
    /// By the kernel's info, without names and arrays.
    Info(bpf_link::LinkInfo),
    /// Nothing has told.
    Nothing,
}

impl Told {
    pub(super) fn is_as(&self, other: &Self) -> bool {
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

    /// The kind of the link; `None` if the kernel has told nothing.
    #[must_use]
    pub fn kind(&self) -> Option<LinkKind> {
        match (&self.told, &self.info) {
            (Told::Record(entry), _) => Some(entry.kind()),
            (_, Ok(info)) => Some(info.kind()),
            (Told::Info(info), _) => Some(info.kind()),
            (Told::Nothing, Err(_)) => None,
        }
    }

    /// The id of the program that is attached, or was until the link was detached. `None` for
    /// `struct_ops` links, which have no program, and if the kernel has told nothing.
    #[must_use]
    pub fn program_id(&self) -> Option<ProgramId> {
        match (&self.told, &self.info) {
            (Told::Record(entry), _) => entry.program_id(),
            (_, Ok(info)) => info.program_id(),
            (Told::Info(info), _) => info.program_id(),
            (Told::Nothing, Err(_)) => None,
        }
    }

    /// Whether the hook has gone, or the link was detached from it. `None` where the kernel does
    /// not say. A snapshot tells it of `netfilter` links, too.
    #[must_use]
    pub fn is_defunct(&self) -> Option<bool> {
        let dead = self.snapshot().and_then(SnapshotEntry::is_dead);
        dead.or_else(|| self.info().and_then(LinkInfo::is_defunct))
    }

    /// What the kernel says about the link; `None` if it has refused to: see
    /// [`refused`](Self::refused).
    ///
    /// Counts of what was missed are those of the time when the link came or changed, or of the
    /// last [`refresh_counts`](super::Inventory::refresh_counts).
    #[must_use]
    pub fn info(&self) -> Option<&LinkInfo> {
        self.info.as_ref().ok()
    }

    /// Why there is no info: most often [`Error::Link`] with
    /// [`PermissionDenied`](bpf_link::Error::PermissionDenied), as it takes `CAP_SYS_ADMIN` to open
    /// a link by its id.
    #[must_use]
    pub fn refused(&self) -> Option<&Error> {
        self.info.as_ref().err()
    }

    /// What the last snapshot tells of the link; `None` where there are no snapshots.
    #[must_use]
    pub fn snapshot(&self) -> Option<&SnapshotEntry> {
        match &self.told {
            Told::Record(entry) => Some(entry),
            Told::Info(_) | Told::Nothing => None,
        }
    }

    /// Whether the same may be asked again without the same answer.
    pub(super) fn is_passing(&self) -> bool {
        let error = self.refused();
        error.is_some_and(|error| !matches!(error, Error::Link(LinkError::PermissionDenied(_))))
    }
}
