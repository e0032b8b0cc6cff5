//! Where the hook takes only one program and its link is not updated: the old link first, then the
//! new one.

use std::ffi::OsStr;

use bpf_link::{LinkId, RawLink};

use crate::ensure::member::{Judged, reopen, waits_open};
use crate::error::{Error, Result};
use crate::set::run::{Run, Step, Way, detach, pin_over};

impl Run<'_, '_> {
    /// Takes the old link off, which is pinned at the path, and attaches the new one.
    pub(super) fn replace_old_first(&mut self, index: usize) -> Result<()> {
        let (Some(slot), Some(work)) = (self.slots.get_mut(index), self.works.get_mut(index))
        else {
            return Ok(());
        };
        let (Some(Way::OldFirst(_)), Some(old)) = (&work.way, &slot.old) else {
            return Ok(());
        };
        let is_off = detach(&old.judged.link)?;
        if let Some(back) = &mut work.back {
            back.is_off = is_off;
        }
        self.steps.push(Step::OldFirst(index));
        // The pin that it may have got at the path stays.
        work.link = None;
        let Some(old) = slot.old.take() else {
            return Ok(());
        };
        work.taken_off = Some((old.judged.id, old.found));
        if !is_off {
            return self.replace_after_the_old_has_gone(index, old.judged);
        }
        let mut new = self.create_after(index, None)?;
        let Some(slot) = self.slots.get(index) else {
            return Ok(());
        };
        // Its pin stays until the new one takes its place, so that the next run finds one whatever
        // happens.
        let pinned = pin_over(&mut new, &mut self.directory, slot.name, &slot.path());
        self.replaced(index, new);
        pinned
    }

    /// The same for a kind that cannot be detached: its link goes with the last that holds it, in
    /// the kernel's own time.
    fn replace_after_the_old_has_gone(&mut self, index: usize, old: Judged) -> Result<()> {
        let Some(slot) = self.slots.get(index) else {
            return Ok(());
        };
        let (name, path) = (slot.name, slot.path());
        let id = old.id;
        let found = self.directory.links.iter().find(|found| found.id == id);
        let mut pins = found.map(|found| found.pins.clone()).unwrap_or_default();
        pins.push(OsStr::new(name).into());
        for pin in pins {
            self.unlink(&pin, id)?;
        }
        drop(old);
        let mut new = self.create_after(index, Some(id))?;
        let pinned = new.pin(path);
        self.replaced(index, new);
        Ok(pinned?)
    }

    /// Attaches once the hook is free. What was taken off may be on it for a moment longer, and the
    /// link `going` stays until its last holder lets go.
    fn create_after(&mut self, index: usize, going: Option<LinkId>) -> Result<RawLink> {
        loop {
            let refused = match self.create(index) {
                Ok(link) => return Ok(link),
                Err(refused) => refused,
            };
            let goes_on = refused.hook.is_some()
                && match going {
                    None => self.until_free.goes_on(),
                    Some(old) => waits_open(old, &mut self.until_gone),
                };
            if goes_on {
                continue;
            }
            return Err(match (going, self.slots.get(index)) {
                (Some(link), _) if refused.hook.is_some() && reopen(link).is_some() => {
                    Error::OldLinkHeld {
                        link,
                        source: Box::new(refused.error),
                    }
                }
                (_, Some(slot)) => slot.ready.name_holders(refused.error),
                (_, None) => refused.error,
            });
        }
    }

    fn replaced(&mut self, index: usize, new: RawLink) {
        if let Some(work) = self.works.get_mut(index) {
            work.link = Some(new);
        }
    }
}
