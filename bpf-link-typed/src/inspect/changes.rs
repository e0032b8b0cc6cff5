//! What changed since the last look.

use bpf_link::LinkId;

use super::entry::InventoryEntry;

/// What changed between two looks.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Changes {
    /// Links that were not there before, in the order of their ids.
    pub came: Vec<LinkId>,
    /// Links that are gone, as last seen.
    pub went: Vec<InventoryEntry>,
    /// Links that changed.
    pub changed: Vec<Change>,
}

/// A link that changed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Change {
    /// The link. [`Inventory::get`](super::Inventory::get) has it as it is now.
    pub id: LinkId,
    /// The link before the change.
    pub before: InventoryEntry,
}

impl Changes {
    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.came.is_empty() && self.went.is_empty() && self.changed.is_empty()
    }
}
