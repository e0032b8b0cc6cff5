//! What is done before any old program stops running: what is new is attached, and all links are
//! pinned beside their paths.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use bpf_link::RawLink;

use crate::ensure::member::{self, Hook, Next, Refused};
use crate::ensure::{Attached, Why};
use crate::error::{Error, Result};
use crate::set::assign::give_back;
use crate::set::directory::{is_temporary, stem};
use crate::set::run::{Back, Run, Step, Way, overtaken, overtaken_in};
use crate::set::slot::Old;

impl Run<'_, '_> {
    /// Finds out how the program of a slot comes to run, and does what can be done beside the old.
    pub(super) fn prepare(&mut self, index: usize) -> Result<()> {
        let mut hook_taken = None;
        loop {
            let (Some(slot), Some(work)) = (self.slots.get(index), self.works.get(index)) else {
                return Ok(());
            };
            match slot.ready.next(slot.at_path(), work.learned) {
                Next::Keep => return self.pin_beside(index, Way::Keep),
                Next::Update => return self.prepare_update(index),
                Next::OldFirst(why) => return self.prepare_old_first(index, why),
                Next::Attach(why) => {
                    self.mark(index)?;
                    match self.create(index) {
                        Ok(link) => return self.attached(index, link, why),
                        Err(Refused {
                            error,
                            hook: Some(hook),
                        }) => {
                            hook_taken = Some(error);
                            if let Some(work) = self.works.get_mut(index) {
                                work.learned.hook = hook;
                            }
                        }
                        Err(refused) => return Err(refused.error),
                    }
                }
                Next::AttachOnceFree(_) | Next::HookTaken => {
                    if slot.orphan.is_none() {
                        let refusal = hook_taken.take().unwrap_or_else(|| overtaken(slot));
                        self.wait_for_hook(index, refusal)?;
                    } else {
                        self.adopt_orphan(index);
                    }
                }
            }
        }
    }

    /// Marks an old link that has another name: pins it beside the path of the new one as well. If
    /// this run is killed, that tells the next one which link was to be replaced.
    fn mark(&mut self, index: usize) -> Result<()> {
        let Some(slot) = self.slots.get(index) else {
            return Ok(());
        };
        let Some(old) = &slot.old else {
            return Ok(());
        };
        let found = old.found.and_then(|found| self.directory.links.get(found));
        let has_name = |pin: &Rc<OsStr>| *stem(pin) == *OsStr::new(slot.name);
        if found.is_none_or(|found| found.pins.iter().any(has_name)) {
            return Ok(());
        }
        let mut link = old.judged.link.try_clone()?;
        let path = self.directory.beside(slot.name);
        link.pin(&path)?;
        self.steps.push(Step::Marked(index, link));
        let found = old
            .found
            .and_then(|found| self.directory.links.get_mut(found));
        if let (Some(found), Some(name)) = (found, path.file_name()) {
            found.pins.push(name.into());
        }
        Ok(())
    }

    /// Removes the mark from a link that is not replaced after all.
    fn unmark(&mut self, index: usize, found: Option<usize>) -> Result<()> {
        let is_mark = |step: &Step| matches!(step, Step::Marked(of, _) if *of == index);
        let marked = self.steps.iter().position(is_mark);
        let marked = marked.map(|at| self.steps.remove(at));
        let Some(Step::Marked(_, mut link)) = marked else {
            return Ok(());
        };
        link.unpin()?;
        let found = found.and_then(|found| self.directory.links.get_mut(found));
        let name = self.slots.get(index).map(|slot| OsStr::new(slot.name));
        if let (Some(found), Some(name)) = (found, name) {
            found
                .pins
                .retain(|pin| !is_temporary(pin) || *stem(pin) != *name);
        }
        Ok(())
    }

    /// Waits a moment for a hook to become free. A link that has just left the hook may still be
    /// opened by its id, so the holders are looked up only after the last attempt.
    fn wait_for_hook(&mut self, index: usize, refusal: Error) -> Result<()> {
        let goes_on = self.until_free.goes_on();
        let (Some(slot), Some(work)) = (self.slots.get(index), self.works.get_mut(index)) else {
            return Ok(());
        };
        if !goes_on {
            return Err(slot.ready.name_holders(refusal));
        }
        work.learned.hook = Hook::NotTried;
        Ok(())
    }

    /// Takes a link over that is not pinned in the directory, now that an attempt has told that it
    /// may be on the hook.
    fn adopt_orphan(&mut self, index: usize) {
        let Some(slot) = self.slots.get_mut(index) else {
            return;
        };
        let Some(judged) = slot.orphan.take() else {
            return;
        };
        let orphan = Old {
            judged,
            found: None,
            is_by_name: false,
        };
        if let Some(elsewhere) = slot.old.replace(orphan) {
            give_back(&mut self.directory, elsewhere);
        }
    }

    fn prepare_update(&mut self, index: usize) -> Result<()> {
        let Some(slot) = self.slots.get(index) else {
            return Ok(());
        };
        slot.ready.check()?;
        let previous = slot.old.as_ref().and_then(|old| old.judged.attached);
        let previous = previous.ok_or_else(|| overtaken(slot))?;
        let program = self.open_old(previous)?;
        self.pin_beside(index, Way::Update { previous, program })
    }

    fn prepare_old_first(&mut self, index: usize, why: Why) -> Result<()> {
        let Some((slot, old)) = self
            .slots
            .get(index)
            .and_then(|slot| Some((slot, slot.old.as_ref()?)))
        else {
            return Ok(());
        };
        slot.ready.check()?;
        let attach = slot.ready.way_back(&old.judged.link)?;
        let found = old.found.and_then(|found| self.directory.links.get(found));
        let mut pins = found.map(|found| found.pins.clone()).unwrap_or_default();
        pins.retain(|pin| !is_temporary(pin));
        let has_path = pins.iter().any(|pin| **pin == *OsStr::new(slot.name));
        let (link, attached) = (old.judged.id, old.judged.attached);
        let program = match attached {
            Some(attached) => self.open_old(attached)?,
            None => None,
        };
        if !has_path {
            // It is what is replaced at the path then.
            self.pin_beside(index, Way::OldFirst(why))?;
        }
        if let Some(work) = self.works.get_mut(index) {
            work.way = Some(Way::OldFirst(why));
            work.previous = attached;
            work.back = Some(Back {
                link,
                is_off: false,
                pins,
                program,
                attach,
            });
        }
        Ok(())
    }

    /// Opens the old program, so that it can be put back.
    fn open_old(&self, attached: Attached) -> Result<Option<OwnedFd>> {
        match member::open(attached) {
            Ok(program) => Ok(Some(program)),
            Err(bpf_link::Error::PermissionDenied(_)) if self.set.options.without_rollback => {
                Ok(None)
            }
            Err(source @ bpf_link::Error::PermissionDenied(_)) => Err(Error::NoWayBack(source)),
            Err(bpf_link::Error::Vanished(_)) => Err(overtaken_in(&self.directory.path)),
            Err(error) => Err(error.into()),
        }
    }

    /// Pins the link that is there already beside its path.
    fn pin_beside(&mut self, index: usize, way: Way) -> Result<()> {
        let (Some(slot), Some(work)) = (self.slots.get(index), self.works.get_mut(index)) else {
            return Ok(());
        };
        work.way = Some(way);
        if work.link.is_some() {
            return Ok(());
        }
        if let Some(old) = &slot.old {
            let mut link = old.judged.link.try_clone()?;
            link.pin(self.directory.beside(slot.name))?;
            work.link = Some(link);
            self.steps.push(Step::Pinned(index));
        }
        Ok(())
    }

    /// A link was attached: pins it beside its path.
    fn attached(&mut self, index: usize, mut link: RawLink, why: Option<Why>) -> Result<()> {
        let Some(slot) = self.slots.get_mut(index) else {
            return Ok(());
        };
        if let Err(error) = link.pin(self.directory.beside(slot.name)) {
            // The refusal says more than whether this could be undone.
            let _ = link.detach();
            return Err(error.into());
        }
        // The hook was free.
        let elsewhere = if slot.may_be_elsewhere() {
            slot.old.take()
        } else {
            None
        };
        let previous = slot.old.as_ref().and_then(|old| old.judged.attached);
        if let Some(work) = self.works.get_mut(index) {
            // Where an update was refused, the old link is beside the path.
            if let Some(mut beside) = work.link.replace(link) {
                beside.unpin()?;
            }
            work.way = Some(Way::New(why.filter(|_| elsewhere.is_none())));
            work.previous = previous;
            self.steps.push(Step::Attached(index));
        }
        match elsewhere {
            Some(old) => {
                let found = old.found;
                give_back(&mut self.directory, old);
                self.unmark(index, found)
            }
            None => Ok(()),
        }
    }

    pub(super) fn create(&self, index: usize) -> Result<RawLink, Refused> {
        let Some(slot) = self.slots.get(index) else {
            return Err(Refused {
                error: overtaken_in(&self.directory.path),
                hook: None,
            });
        };
        if slot.place.is_some() {
            return slot.ready.create(self.place(index));
        }
        let place = self.place_in_order(index);
        match place.map_err(|error| Refused { error, hook: None })? {
            None => slot.ready.create(None),
            // Before Linux 6.17 cgroups have no places. Or the next one was attached with another
            // `preorder`, or has gone.
            place => match slot.ready.create(place) {
                Err(refused) if is_about_a_place(&refused.error) => slot.ready.create(None),
                answer => answer,
            },
        }
    }
}

/// Whether it may be the place that was refused, and not the program.
fn is_about_a_place(error: &Error) -> bool {
    matches!(error.errno(), Some(libc::EINVAL | libc::ENOENT))
}
