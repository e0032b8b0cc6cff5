//! What is let go of once all links of a set are there.

use std::ffi::OsStr;
use std::rc::Rc;

use bpf_link::LinkId;

use crate::ensure::member::{End, remove_other_pins, retire};
use crate::ensure::{OldLink, Outcome};
use crate::error::Result;
use crate::set::applied::Applied;
use crate::set::directory::{Found, is_temporary, lasting_names};
use crate::set::fate::{Fate, other_pins};
use crate::set::report::{PinLeft, SetLink, SetReport, StaleLink};
use crate::set::run::{Run, Way, overtaken_in};
use crate::set::slot::Old;

impl Run<'_, '_> {
    /// Lets go of what was replaced, of what killed runs have left, and of what is stale. Whatever
    /// is refused here is no reason to undo the set: the report says what is still there.
    pub(super) fn finish(mut self) -> Result<Applied> {
        let mut report = SetReport::default();
        let mut kept = Vec::with_capacity(self.slots.len());
        // Before the links are given away: one's place may be next to another.
        let places = self.in_place();
        for ((index, entry), is_in_place) in self.set.entries.iter().enumerate().zip(places) {
            let (slot, end) = self.end(index, is_in_place, &mut report)?;
            report.links.push(slot);
            if let Some(slot) = self.slots.get(index) {
                kept.push((entry.name.clone(), slot.ready.kept(end)?));
            }
        }
        let found = std::mem::take(&mut self.directory.links);
        for (index, found) in found.into_iter().enumerate() {
            self.retire_found(index, found, &mut report);
        }
        Ok(Applied::new(report, kept))
    }

    /// Lets go of what the slot has replaced.
    fn end(
        &mut self,
        index: usize,
        is_in_place: Option<bool>,
        report: &mut SetReport,
    ) -> Result<(SetLink, End)> {
        let old = self.slots.get_mut(index).and_then(|slot| slot.old.take());
        let file = self.works.get(index).and_then(|work| work.file);
        let slot = self.slots.get(index).map(|slot| (slot.name, slot.path()));
        let Some(((name, path), file)) = slot.zip(file) else {
            return Err(overtaken_in(&self.directory.path));
        };
        let name = name.to_owned();
        let Some(link) = self.take_link(index) else {
            return Err(overtaken_in(&self.directory.path));
        };
        let before = old.as_ref().map(|old| (old.judged.id, old.found));
        let before = before.or(self.works.get(index).and_then(|work| work.taken_off));
        let found = before.and_then(|(_, found)| self.directory.links.get(found?));
        let rule = self.set.options.stale.as_ref();
        let pins = found.map_or_else(Vec::new, |found| other_pins(&found.pins, &self.slots, rule));
        let taken_over = before.filter(|(_, found)| found.is_none());
        let taken_over = taken_over.map(|(id, _)| id);
        let other = found.filter(|found| !found.is_named(&name));
        let other = other.map(Found::name);
        let removed = match before {
            Some((id, _)) => self.unlink_all(pins, id, report),
            None => Vec::new(),
        };
        let unpinned = lasting_names(&removed, other.as_ref());
        let outcome = self.outcome(index, old);
        if let (Some(id), Outcome::Replaced { old_link, .. }) = (taken_over, outcome) {
            if old_link == OldLink::Gone {
                remove_other_pins(&path, id);
            }
        }
        let slot = SetLink {
            name,
            link: link.id()?,
            outcome,
            before: other,
            unpinned,
            taken_over,
            is_in_place,
        };
        let end = End {
            link,
            outcome,
            taken_over,
            is_in_place,
            path,
            file,
            lock_within: self.set.options.lock_within,
        };
        Ok((slot, end))
    }

    fn outcome(&mut self, index: usize, old: Option<Old>) -> Outcome {
        let Some(work) = self.works.get_mut(index) else {
            return Outcome::Created;
        };
        let (previous, gap) = (work.previous, matches!(work.way, Some(Way::OldFirst(_))));
        match work.way.take() {
            Some(Way::Keep) => Outcome::AlreadyRunning,
            Some(Way::Update { previous, .. }) => Outcome::Updated { previous },
            Some(Way::New(Some(why)) | Way::OldFirst(why)) => Outcome::Replaced {
                why,
                previous,
                gap,
                old_link: match old {
                    _ if gap => OldLink::Gone,
                    None => OldLink::None,
                    Some(old) => retire(old.judged.link, old.judged.id),
                },
            },
            Some(Way::New(None)) | None => Outcome::Created,
        }
    }

    fn retire_found(&mut self, index: usize, found: Found, report: &mut SetReport) {
        let (fate, pins) = self
            .fates
            .remove(&index)
            .unwrap_or((Fate::Stays, Vec::new()));
        let name = found.name();
        let Some(link) = found.link else {
            return;
        };
        self.unlink_all(pins, found.id, report);
        let removed = fate.goes().then(|| retire(link, found.id));
        let stale = StaleLink {
            name,
            link: found.id,
            kind: found.kind,
            removed,
        };
        match fate {
            Fate::LeftOver => report.left_over.push(stale),
            Fate::Removed | Fate::Stays => report.stale.push(stale),
        }
    }

    /// Removes these pins of a link, temporary ones last: if this run is killed in between, they
    /// tell the next one what the link is. Returns the pins that are gone now.
    fn unlink_all(
        &self,
        mut pins: Vec<Rc<OsStr>>,
        id: LinkId,
        report: &mut SetReport,
    ) -> Vec<Rc<OsStr>> {
        pins.sort_by_key(|pin| is_temporary(pin));
        pins.retain(|pin| {
            let removed = self.unlink(pin, id);
            if let Err(error) = &removed {
                report.pins_left.push(PinLeft {
                    name: pin.to_string_lossy().into_owned(),
                    link: id,
                    reason: error.to_string(),
                });
            }
            removed.is_ok()
        });
        pins
    }
}
