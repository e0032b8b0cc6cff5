//! One look, held against the one before.

use std::iter::Peekable;
use std::vec::IntoIter;

use bpf_link::{LinkId, RawLink};

use super::changes::{Change, Changes};
use super::entry::{InventoryEntry, Told};
use crate::error::{Error, Result};
use crate::info::LinkInfo;
use crate::info::buf::InfoBuf;

/// Takes the links of a look in the order of their ids.
pub(super) struct Merge<'a> {
    before: Peekable<IntoIter<InventoryEntry>>,
    now: Vec<InventoryEntry>,
    changes: &'a mut Changes,
    buf: &'a mut InfoBuf,
}

impl<'a> Merge<'a> {
    pub(super) fn new(
        before: Vec<InventoryEntry>,
        changes: &'a mut Changes,
        buf: &'a mut InfoBuf,
    ) -> Self {
        Self {
            now: Vec::with_capacity(before.len()),
            before: before.into_iter().peekable(),
            changes,
            buf,
        }
    }

    /// The next link, and what was told of it. It is opened only if that is not what was told
    /// before, or does not tell all.
    pub(super) fn meet(
        &mut self,
        id: LinkId,
        told: Told,
        tells_all: bool,
        open: impl FnOnce() -> bpf_link::Result<RawLink>,
    ) {
        while let Some(gone) = self.before.next_if(|before| before.id < id) {
            self.changes.went.push(gone);
        }
        let before = self.before.next_if(|before| before.id == id);
        let before = match before {
            Some(before) if tells_all && before.told.is_as(&told) && !before.is_passing() => {
                // References change without a word.
                self.now.push(InventoryEntry { told, ..before });
                return;
            }
            before => before,
        };
        let info = open()
            .map_err(Error::from)
            .and_then(|link| self.info(&link));
        if matches!(&info, Err(Error::Link(bpf_link::Error::Vanished(_)))) {
            // It has gone since it was seen.
            self.changes.went.extend(before);
            return;
        }
        let entry = InventoryEntry { id, told, info };
        match before {
            None => self.changes.came.push(id),
            Some(before) if is_same(&before, &entry) => {}
            Some(before) => self.changes.changed.push(Change { id, before }),
        }
        self.now.push(entry);
    }

    /// The next link, of which the kernel does not say anything now: it stays as it was.
    pub(super) fn meet_refused(&mut self, id: LinkId, error: bpf_link::Error) {
        while let Some(gone) = self.before.next_if(|before| before.id < id) {
            self.changes.went.push(gone);
        }
        let entry = self.before.next_if(|before| before.id == id);
        self.now.push(entry.unwrap_or_else(|| {
            self.changes.came.push(id);
            InventoryEntry {
                id,
                told: Told::Nothing,
                info: Err(error.into()),
            }
        }));
    }

    fn info(&mut self, link: &RawLink) -> Result<LinkInfo> {
        Ok(self.buf.read(link)?.into_owned())
    }

    /// After the last link: what is left has gone.
    pub(super) fn finish(self) -> Vec<InventoryEntry> {
        self.changes.went.extend(self.before);
        self.now
    }

    /// After a look that did not get to its end: what is left may still be there.
    pub(super) fn stop(self) -> Vec<InventoryEntry> {
        self.now.into_iter().chain(self.before).collect()
    }
}

/// Whether nothing but counts has changed.
fn is_same(before: &InventoryEntry, now: &InventoryEntry) -> bool {
    let infos = match (&before.info, &now.info) {
        (Ok(before), Ok(now)) => without_counts(before.clone()) == without_counts(now.clone()),
        (Err(_), Err(_)) => before.program_id() == now.program_id(),
        _ => false,
    };
    infos && before.is_defunct() == now.is_defunct()
}

/// Without what grows while the program runs.
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
