//! Performs the action that was decided on.

mod old_first;

use std::os::fd::OwnedFd;
use std::path::Path;

use bpf_link::{Command, LinkId, PinEntry, RawLink};

use crate::ensure::decide::{Action, Refusal};
use crate::ensure::ensured::FileId;
use crate::ensure::look::{Held, SeenBy, is_somebody_elses, search};
use crate::ensure::old_link::{self, Waiting};
use crate::ensure::options::Options;
use crate::ensure::other_pins;
use crate::ensure::outcome::{Attached, Displaced, LeftOver, OldLink, Outcome, Why};
use crate::ensure::place::Place;
use crate::ensure::recipe::{KindLink as _, Match, Recipe, Wanted};
use crate::ensure::seen::{Found, Hook, Seen};
use crate::error::{Error, Result};

/// A run in progress: what is wanted and where, and what has been done so far.
pub(super) struct Run<'a, A> {
    pub(super) to: &'a A,
    pub(super) options: &'a Options,
    pub(super) place: &'a Place,
    pub(super) wanted: &'a Wanted<'a>,
    pub(super) taken_over: Option<LinkId>,
    pub(super) left_over: Option<LeftOver>,
    /// The link that had to make way for one that was there already.
    pub(super) displaced: Option<Displaced>,
    /// Why the last attempt failed, if another process may have caused it.
    pub(super) refusal: Option<Error>,
    /// How long to wait for the kernel to free the hook after an old link has gone.
    until_free: Waiting,
}

/// The result of an action.
pub(super) enum Step<L> {
    Done(L, Outcome, FileId),
    /// We or another process changed something: look again.
    Again,
    /// Nothing has changed, but more is known now: decide again.
    Learned,
}

impl<'a, A: Recipe> Run<'a, A> {
    pub(super) fn new(
        to: &'a A,
        options: &'a Options,
        place: &'a Place,
        wanted: &'a Wanted<'a>,
    ) -> Self {
        Self {
            to,
            options,
            place,
            wanted,
            taken_over: None,
            left_over: None,
            displaced: None,
            refusal: None,
            until_free: Waiting::until_free(),
        }
    }

    /// Performs the action on what was seen. If that is missing, which no decision leads to, looks
    /// again.
    pub(super) fn act(&mut self, action: Action, seen: &mut SeenBy<A>) -> Result<Step<A::Link>> {
        match action {
            Action::Refuse(refusal) => Err(refused(refusal, self.place, seen)),
            Action::RemoveLeftOver => self.remove_left_over(seen),
            Action::UnpinLeftOver => {
                if let Some(Found::OfKind(mut left)) = seen.take_beside() {
                    left.link.link.raw_mut().unpin()?;
                    self.left_over = Some(LeftOver::Unpinned);
                }
                Ok(Step::Again)
            }
            Action::FinishLeftOver => self.finish_left_over(seen),
            Action::Search => {
                if let Some((ours, _)) = &self.options.ours {
                    let but = seen.pinned().map(|pinned| pinned.id);
                    seen.ours = Some(search(self.to, self.wanted, ours, but, &self.place.path)?);
                }
                Ok(Step::Learned)
            }
            Action::TakeOver => self.take_over(seen),
            Action::Keep => match seen.take_pinned() {
                Some(pinned) => self.done_with_new_pin(&pinned.link.link, Outcome::AlreadyRunning),
                None => Ok(Step::Again),
            },
            Action::Update => self.update(seen),
            Action::Attach(why) => self.attach(why, seen),
            Action::AttachOnceFree(why) => {
                let new = self.create_once_free()?;
                self.put(new, seen.take_at_path(), why, false)
            }
            Action::OldFirst(why) => match (seen.take_pinned(), why) {
                (Some(old), Some(why)) => self.replace_old_first(old, why),
                _ => Ok(Step::Again),
            },
        }
    }

    fn remove_left_over(&mut self, seen: &mut SeenBy<A>) -> Result<Step<A::Link>> {
        if let Some(left) = seen.take_beside() {
            let previous = left.attached();
            let (mut link, id) = left.into_raw();
            link.unpin()?;
            self.left_over = Some(LeftOver::Removed);
            self.displaced(link, id, previous);
        }
        Ok(Step::Again)
    }

    /// Finishes what a run was killed at.
    fn finish_left_over(&mut self, seen: &mut SeenBy<A>) -> Result<Step<A::Link>> {
        let Some(Found::OfKind(mut left)) = seen.take_beside() else {
            return Ok(Step::Again);
        };
        if is_pinned(left.link.link.raw_mut().pin_over(&self.place.path))? {
            self.left_over = Some(LeftOver::Finished);
            self.lost_its_pin(seen);
        }
        Ok(Step::Again)
    }

    /// Retires the link that was pinned at the path, where another has been pinned.
    fn lost_its_pin(&mut self, seen: &mut SeenBy<A>) {
        if let Some(old) = seen.take_at_path() {
            let previous = old.attached();
            let (link, id) = old.into_raw();
            self.displaced(link, id, previous);
        }
    }

    fn displaced(&mut self, link: RawLink, id: LinkId, previous: Option<Attached>) {
        self.displaced = Some(Displaced {
            link: id,
            previous,
            old_link: old_link::retire(link, id),
        });
    }

    /// Pins a link of ours at the path, which may replace something that is no longer of use.
    fn take_over(&mut self, seen: &mut SeenBy<A>) -> Result<Step<A::Link>> {
        let Some(ours) = seen.take_ours() else {
            return Ok(Step::Again);
        };
        let mut link = ours.link.link;
        let path = &self.place.path;
        let result = match &seen.at_path {
            PinEntry::Missing => link.raw_mut().pin(path),
            PinEntry::Link(_) | PinEntry::NotALink => link.raw_mut().pin_over(path),
        };
        if is_pinned(result)? {
            self.taken_over = Some(ours.id);
            self.lost_its_pin(seen);
        }
        Ok(Step::Again)
    }

    /// Puts the program on the link, if the link still has what was seen on it.
    fn update(&mut self, seen: &mut SeenBy<A>) -> Result<Step<A::Link>> {
        self.to.check(self.wanted)?;
        let Some(previous) = seen.pinned().and_then(|pinned| pinned.attached) else {
            return Ok(Step::Again);
        };
        let expected = match open(previous) {
            Ok(expected) => Some(expected),
            // The link has another by now.
            Err(bpf_link::Error::Vanished(_)) => return Ok(Step::Again),
            // Without the privilege to open it there is only the lock.
            Err(bpf_link::Error::PermissionDenied(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let update = self.wanted.attached.update(&self.wanted.object);
        let update = match &expected {
            Some(expected) => update.expecting(expected),
            None => update,
        };
        let Some(pinned) = seen.pinned() else {
            return Ok(Step::Again);
        };
        match pinned.link.link.raw().update(update) {
            Ok(()) => match seen.take_pinned() {
                Some(pinned) => {
                    self.done_with_new_pin(&pinned.link.link, Outcome::Updated { previous })
                }
                None => Ok(Step::Again),
            },
            Err(bpf_link::Error::OldProgramMismatch { .. } | bpf_link::Error::HookGone(_)) => {
                Ok(Step::Again)
            }
            // The kernel uses one errno for both cases, and the expected program may be back by
            // now.
            Err(error @ bpf_link::Error::PermissionDenied(_)) if expected.is_some() => {
                self.refusal = Some(error.into());
                Ok(Step::Again)
            }
            Err(error) => match error.errno() {
                // The link does not take programs like this one. A new link may, or the kernel
                // gives a better reason.
                Some(libc::EINVAL | libc::EOPNOTSUPP) => {
                    seen.update_refused = true;
                    Ok(Step::Learned)
                }
                Some(libc::EEXIST) => Err(Error::AlreadyAttached(error)),
                _ => Err(error.into()),
            },
        }
    }

    fn attach(&mut self, why: Option<Why>, seen: &mut SeenBy<A>) -> Result<Step<A::Link>> {
        match self.to.create(self.wanted.object) {
            Ok(new) => self.put(new, seen.take_at_path(), why, false),
            Err(refusal) => {
                seen.hook = told_by(&refusal).ok_or(refusal)?;
                Ok(Step::Learned)
            }
        }
    }

    /// Retries a refused attachment while a link that has just lost its last descriptor or pin may
    /// be the cause. To look for it would not tell: for a grace period the kernel still opens it by
    /// its id, as if somebody held it, and the program is taken off after the id has gone.
    fn create_once_free(&mut self) -> Result<A::Link> {
        loop {
            let goes_on = self.until_free.goes_on();
            match self.to.create(self.wanted.object) {
                Err(refusal) if is_taken(&refusal) && goes_on => {}
                answer => return answer,
            }
        }
    }

    /// Pins a new link and replaces the current pin, if there is one.
    fn put(
        &self,
        mut new: A::Link,
        old: Option<Found<Held<A>, RawLink>>,
        why: Option<Why>,
        gap: bool,
    ) -> Result<Step<A::Link>> {
        let pinned = match why {
            None => is_pinned(new.raw_mut().pin(&self.place.path)),
            Some(_) => self.pin_instead(&mut new, |found| is_still::<A>(found, old.as_ref())),
        };
        match pinned {
            Ok(true) => {}
            Ok(false) => {
                old_link::discard(new.raw());
                return Ok(Step::Again);
            }
            Err(error) => {
                old_link::discard(new.raw());
                return Err(error);
            }
        }
        let previous = old.as_ref().and_then(Found::attached);
        let old_id = old.as_ref().map(Found::id);
        let old_link = match old {
            None => OldLink::None,
            // Where there is a gap, it was detached before.
            Some(Found::OfKind(old)) if gap || old.found == Match::Gone => OldLink::Gone,
            Some(old) => {
                let (link, id) = old.into_raw();
                old_link::retire(link, id)
            }
        };
        if let Some(id) = old_id.filter(|id| self.taken_over == Some(*id)) {
            if old_link == OldLink::Gone {
                other_pins::remove(&self.place.path, id);
            }
        }
        let outcome = match why {
            None => Outcome::Created,
            Some(why) => Outcome::Replaced {
                why,
                previous,
                gap,
                old_link,
            },
        };
        self.done(new, outcome)
    }

    /// Gives the link a new pin, which tells this run from the runs before it; then as
    /// [`done`](Self::done).
    fn done_with_new_pin(&self, link: &A::Link, outcome: Outcome) -> Result<Step<A::Link>> {
        let mut link = A::Link::try_from(link.raw().try_clone()?)?;
        let id = link.raw().id()?;
        let is_pinned = self.pin_instead(&mut link, |found| match found {
            PinEntry::Link(found) => Ok(found.id()? == id),
            PinEntry::Missing => Ok(true),
            PinEntry::NotALink => Ok(false),
        })?;
        if is_pinned {
            self.done(link, outcome)
        } else {
            Ok(Step::Again)
        }
    }

    /// Pins the link beside the path and renames the pin over what is there, if that is what is
    /// expected. Whether it is pinned there now.
    fn pin_instead(
        &self,
        link: &mut A::Link,
        is_expected: impl FnOnce(&PinEntry) -> Result<bool>,
    ) -> Result<bool> {
        if !self.pin_beside(link)? {
            return Ok(false);
        }
        let path = &self.place.path;
        let is_there = PinEntry::at(path).map_err(Error::from);
        match is_there.and_then(|found| is_expected(&found)) {
            Ok(true) => {}
            answer => {
                link.raw_mut().unpin()?;
                return answer;
            }
        }
        if let Err(error) = link.raw_mut().pin_over(path) {
            // The refusal is what matters; if the temporary pin stays, its name says what it is.
            let _ = link.raw_mut().unpin();
            return Err(error.into());
        }
        Ok(true)
    }

    /// Pins the link beside the path. Whether it is pinned; no if a link is there by now.
    fn pin_beside(&self, link: &mut A::Link) -> Result<bool> {
        for path in self.place.beside() {
            if is_pinned(link.raw_mut().pin(&path))? {
                return Ok(true);
            }
            // What is not a link is not ours, and stays.
            match PinEntry::at(&path) {
                Ok(PinEntry::NotALink) => {}
                Ok(PinEntry::Link(_)) if self.place.is_another_users(&path)? => {}
                Err(error) if is_somebody_elses(&error) => {}
                Ok(PinEntry::Link(_) | PinEntry::Missing) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(false)
    }

    /// Makes sure that the link is pinned at the end: pins it again if its pin was removed
    /// meanwhile.
    fn done(&self, mut link: A::Link, outcome: Outcome) -> Result<Step<A::Link>> {
        if !is_pinned(link.raw_mut().pin(&self.place.path))? {
            return Ok(Step::Again);
        }
        Ok(match FileId::at(&self.place.path)? {
            Some(file) => Step::Done(link, outcome, file),
            None => Step::Again,
        })
    }
}

/// The error that says why nothing can be done.
pub(super) fn refused<L, O>(refusal: Refusal, place: &Place, seen: &Seen<L, O>) -> Error {
    let taken = |path: &Path, found| Error::PinTaken {
        path: path.to_owned(),
        found,
    };
    match refusal {
        Refusal::PathTaken(found) => taken(&place.path, found),
        Refusal::BesideTaken => taken(&bpf_link::temporary_pin(&place.path), None),
        Refusal::OursFound => Error::OursFound {
            path: place.path.clone(),
            links: seen.ours.iter().flatten().map(|ours| ours.id).collect(),
        },
    }
}

/// Whether what is to be replaced is still what is pinned.
fn is_still<A: Recipe>(found: &PinEntry, old: Option<&Found<Held<A>, RawLink>>) -> Result<bool> {
    Ok(match (found, old) {
        (PinEntry::Link(found), Some(old)) => found.id()? == old.id(),
        (PinEntry::NotALink, None) => true,
        _ => false,
    })
}

/// Whether a link is pinned now; no if somebody else was faster.
fn is_pinned(result: bpf_link::Result<()>) -> Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(bpf_link::Error::PathExists(_) | bpf_link::Error::PinReplaced { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Opens what is attached by a link.
pub(crate) fn open(attached: Attached) -> bpf_link::Result<OwnedFd> {
    match attached {
        Attached::Program(id) => bpf_link::open_program(id),
        Attached::Map(id) => bpf_link::open_map(id),
    }
}

/// Whether the refusal is because of what is on the hook.
pub(crate) fn is_taken(error: &Error) -> bool {
    match error {
        Error::HookTaken { .. } | Error::PriorityTaken { .. } | Error::AlreadyAttached(_) => true,
        // To attach may take other commands as well, whose refusals say nothing about the hook.
        Error::Link(bpf_link::Error::Command(error)) => {
            matches!(
                (error.command(), error.errno()),
                (
                    Command::LinkCreate | Command::RawTracepointOpen,
                    Some(libc::EBUSY | libc::EEXIST | libc::E2BIG)
                )
            )
        }
        _ => false,
    }
}

/// What a refusal tells about the hook, if it is because of what is there.
pub(super) fn told_by(refusal: &Error) -> Option<Hook> {
    is_taken(refusal).then(|| match refusal.errno() {
        Some(libc::E2BIG) => Hook::Full,
        _ => Hook::Taken,
    })
}
