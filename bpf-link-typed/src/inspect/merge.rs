//! One look, compared with the one before.

use std::iter::Peekable;
use std::vec::Drain;

use bpf_link::LinkId;

use super::changes::{Change, Changes};
use super::entry::{InventoryEntry, Told};
use crate::error::{Error, Result};
use crate::info::LinkInfo;

/// Compares the links of a look, in the order of their ids, with those of the look before.
pub(super) struct Merge<'a> {
    before: Peekable<Drain<'a, InventoryEntry>>,
    now: &'a mut Vec<InventoryEntry>,
    changes: Changes,
}

impl<'a> Merge<'a> {
    /// The entries of this look are put in `now`, which is empty.
    pub(super) fn new(before: Drain<'a, InventoryEntry>, now: &'a mut Vec<InventoryEntry>) -> Self {
        Self {
            before: before.peekable(),
            now,
            changes: Changes::default(),
        }
    }

    /// Takes the next link. Its info is read only if what was reported about it has changed, or
    /// does not show every change.
    pub(super) fn meet(
        &mut self,
        id: LinkId,
        told: Told,
        tells_all: bool,
        ask: impl FnOnce() -> Result<LinkInfo>,
    ) {
        while let Some(gone) = self.before.next_if(|before| before.id < id) {
            self.changes.went.push(gone);
        }
        let before = self.before.next_if(|before| before.id == id);
        let before = match before {
            Some(before) if tells_all && before.is_as(&told) => {
                // A change of the reference count alone is not reported.
                self.now.push(InventoryEntry { told, ..before });
                return;
            }
            before => before,
        };
        let entry = match (ask(), before) {
            // It is gone by now.
            (Err(Error::Link(bpf_link::Error::Vanished(_))), before) => {
                self.changes.went.extend(before);
                return;
            }
            // The old info stays until it can be read again.
            (Err(error), Some(before)) if before.info.is_some() => {
                self.now.push(InventoryEntry {
                    refused: Some(Box::new(error)),
                    ..before
                });
                return;
            }
            (info, before) => {
                let (info, refused) = match info {
                    Ok(info) => (Some(Box::new(info)), None),
                    Err(error) => (None, Some(Box::new(error))),
                };
                let entry = InventoryEntry {
                    id,
                    told,
                    info,
                    refused,
                };
                match before {
                    None => self.changes.came.push(id),
                    Some(before) if is_same(&before, &entry) => {}
                    Some(before) => self.changes.changed.push(Change { id, before }),
                }
                entry
            }
        };
        self.now.push(entry);
    }

    /// Ends the look: the links that it has not met are gone.
    pub(super) fn finish(mut self) -> Changes {
        self.changes.went.extend(self.before);
        self.changes
    }
}

/// Whether only counters differ, if anything does.
fn is_same(before: &InventoryEntry, now: &InventoryEntry) -> bool {
    let info = |entry: &InventoryEntry| entry.info().cloned().map(without_counts);
    info(before) == info(now)
        && before.program_id() == now.program_id()
        && before.is_defunct() == now.is_defunct()
}

/// The info without counters that grow while the program runs.
fn without_counts(mut info: LinkInfo) -> LinkInfo {
    use crate::kinds::PerfEventDetails::{Kprobe, Kretprobe};
    match &mut info {
        LinkInfo::KprobeMulti(info) => info.missed = None,
        LinkInfo::PerfEvent(info) => {
            if let Kprobe(probe) | Kretprobe(probe) = &mut info.event {
                probe.missed = None;
            }
        }
        _ => {}
    }
    info
}
