//! Undoing what was done, in reverse order.

use std::collections::HashMap;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use bpf_link::{LinkId, PinEntry, RawLink};

use crate::ensure::member::{Waiting, WayBack, is_taken, reopen};
use crate::error::{Error, LinkState, Result};
use crate::set::run::{Run, Step, Way, detach, pin_over};
use crate::set::slot::is_wanted;

/// The link that a program was put back with, if it is another.
type Undone = Result<Option<LinkId>, NotUndone>;

/// Why something was not undone; `None` if the old program could not be opened before.
struct NotUndone(Option<Error>);

impl<E: Into<Error>> From<E> for NotUndone {
    fn from(error: E) -> Self {
        Self(Some(error.into()))
    }
}

impl Run<'_, '_> {
    /// Undoes everything. The state of each slot then.
    pub(super) fn undo(&mut self) -> Vec<LinkState> {
        let mut states: Vec<LinkState> = Vec::new();
        states.resize_with(self.slots.len(), || LinkState::AsBefore);
        loop {
            if let Some(Step::Renamed(..)) = self.steps.last() {
                self.pin_what_returns();
            }
            let Some(step) = self.steps.pop() else {
                return states;
            };
            let (index, undone) = match step {
                Step::Attached(index) => (index, self.undo_attached(index)),
                Step::Pinned(index) => (index, self.undo_pinned(index)),
                Step::Marked(index, link) => (index, undo_marked(link)),
                Step::Updated(index) => (index, self.undo_updated(index)),
                Step::Renamed(index, before) => (index, self.undo_renamed(index, before)),
                Step::OldFirst(index) => (index, self.undo_old_first(index)),
            };
            if let Some(state) = states.get_mut(index) {
                match undone {
                    Ok(None) => {}
                    Ok(Some(link)) => *state = LinkState::PutBack { link },
                    Err(NotUndone(source)) => *state = LinkState::NotPutBack { source },
                }
            }
        }
    }

    fn undo_attached(&mut self, index: usize) -> Undone {
        if let Some(mut link) = self.take_link(index) {
            let unpinned = link.unpin();
            detach(&link)?;
            unpinned?;
        }
        Ok(None)
    }

    fn undo_pinned(&mut self, index: usize) -> Undone {
        if self.works.get(index).is_some_and(|work| work.keeps_pin) {
            return Ok(None);
        }
        if let Some(mut link) = self.take_link(index) {
            link.unpin()?;
        }
        Ok(None)
    }

    fn undo_updated(&mut self, index: usize) -> Undone {
        let (Some(slot), Some(work)) = (self.slots.get(index), self.works.get(index)) else {
            return Ok(None);
        };
        let (Some(link), Some(Way::Update { previous, program })) = (&work.link, &work.way) else {
            return Ok(None);
        };
        let Some(program) = program else {
            return Err(NotUndone(None));
        };
        let object = slot.ready.object();
        link.update(previous.update(program).expecting(&object))?;
        Ok(None)
    }

    fn undo_renamed(&mut self, index: usize, before: Option<LinkId>) -> Undone {
        let Some(mut link) = self.take_link(index) else {
            return Ok(None);
        };
        let undone = self.rename_back(index, &mut link, before);
        if undone.is_ok() && before.is_some() {
            // It has lost its pin.
            if let Ok(without) = link.try_clone() {
                link = without;
            }
        }
        // What is undone next needs the link, whatever has become of its pin.
        if let Some(work) = self.works.get_mut(index) {
            work.link = Some(link);
        }
        undone?;
        Ok(None)
    }

    fn rename_back(
        &mut self,
        index: usize,
        link: &mut RawLink,
        before: Option<LinkId>,
    ) -> Result<()> {
        let keeps_pin = self.works.get(index).is_some_and(|work| work.keeps_pin);
        match before {
            None if keeps_pin => Ok(()),
            None => Ok(link.unpin()?),
            Some(before) => {
                if keeps_pin {
                    let name = self.slots.get(index).map_or("", |slot| slot.name);
                    link.try_clone()?.pin(self.directory.beside(name))?;
                }
                self.pin_again(index, before)
            }
        }
    }

    /// Before the first rename is undone: pins every link that is to get its old pin back beside
    /// the path of that pin. A link that cannot be pinned now is tried again in its turn.
    fn pin_what_returns(&mut self) {
        if self.returning.is_some() {
            return;
        }
        let renamed = self.steps.iter().filter_map(|step| match step {
            Step::Renamed(index, before) => Some((*index, (*before)?)),
            _ => None,
        });
        let renamed: Vec<_> = renamed.collect();
        let mut returning = HashMap::new();
        for (index, before) in renamed {
            if let Ok(link) = self.pinned_beside(index, before) {
                returning.insert(index, link);
            }
        }
        self.returning = Some(returning);
    }

    /// The link with this id, or the one that its program was put back with, newly pinned beside
    /// the slot's path.
    fn pinned_beside(&mut self, index: usize, before: LinkId) -> Result<RawLink> {
        let mut link = match self.holding(before) {
            Some(link) => link.try_clone()?,
            None => RawLink::from_id(before)?,
        };
        let name = self.slots.get(index).map_or("", |slot| slot.name);
        link.pin(self.directory.beside(name))?;
        Ok(link)
    }

    /// Pins a link again that was pinned at the slot's path.
    fn pin_again(&mut self, index: usize, before: LinkId) -> Result<()> {
        let Some(slot) = self.slots.get(index) else {
            return Ok(());
        };
        let path = slot.path();
        let returning = self.returning.as_mut();
        let mut link = match returning.and_then(|returning| returning.remove(&index)) {
            Some(link) => link,
            None => self.pinned_beside(index, before)?,
        };
        Ok(link.pin_over(path)?)
    }

    /// Attaches the old program again where another took its place.
    fn undo_old_first(&mut self, index: usize) -> Undone {
        if let Some(mut new) = self.take_link(index) {
            // It may have been pinned over the old one's pin, or not at all.
            let _ = new.unpin();
            detach(&new)?;
        }
        let Some(back) = self.works.get_mut(index).and_then(|work| work.back.take()) else {
            return Err(NotUndone(None));
        };
        // One that was not detached is there as long as somebody else holds it.
        let held = if back.is_off { None } else { reopen(back.link) };
        let mut link = if let Some(link) = held {
            link
        } else {
            let Some(program) = &back.program else {
                return Err(NotUndone(None));
            };
            attach_again(&back.attach, program)?
        };
        let id = link.id()?;
        let Some(slot) = self.slots.get(index) else {
            return Ok(None);
        };
        pin_over(&mut link, &mut self.directory, slot.name, &slot.path())?;
        let is_without_pins = back.pins.is_empty();
        // Under its other names it is the link that was taken off.
        for pin in back.pins {
            let path = self.directory.at(&pin);
            if is_wanted(&self.slots, &pin) || is_at(&path, id)? {
                continue;
            }
            let mut other = link.try_clone()?;
            pin_over(&mut other, &mut self.directory, slot.name, &path)?;
        }
        let state = (id != back.link).then_some(id);
        let keeps_pin = state.is_some() && is_without_pins;
        self.put_back.push((back.link, link.try_clone()?));
        if let Some(work) = self.works.get_mut(index) {
            work.link = Some(link);
            work.keeps_pin = keeps_pin;
        }
        Ok(state)
    }

    /// The link with this id, or the one that its program was put back with.
    fn holding(&self, id: LinkId) -> Option<&RawLink> {
        let put_back = self.put_back.iter().find(|(old, _)| *old == id);
        if let Some((_, link)) = put_back {
            return Some(link);
        }
        let of_slots = self.slots.iter().filter_map(|slot| slot.old.as_ref());
        let mut of_slots = of_slots.map(|old| &old.judged).filter(|old| old.id == id);
        if let Some(judged) = of_slots.next() {
            return Some(&judged.link);
        }
        let found = self.directory.links.iter().find(|found| found.id == id);
        found.and_then(|found| found.link.as_ref())
    }
}

fn undo_marked(mut link: RawLink) -> Undone {
    link.unpin()?;
    Ok(None)
}

/// Attaches a program again; the hook may be taken for a moment by what has just gone.
fn attach_again(way_back: &WayBack<'_>, program: &OwnedFd) -> Result<RawLink> {
    let mut until_free = Waiting::until_free();
    loop {
        match way_back(program.as_fd()) {
            Err(error) if is_taken(&error) && until_free.goes_on() => {}
            answer => return answer,
        }
    }
}

/// Whether this link is what is pinned there.
fn is_at(path: &Path, id: LinkId) -> Result<bool> {
    Ok(match PinEntry::at(path)? {
        PinEntry::Link(link) => link.id()? == id,
        PinEntry::Missing | PinEntry::NotALink => false,
    })
}
