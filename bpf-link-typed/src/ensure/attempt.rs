//! One look at what is there, and what follows from it.

use std::os::fd::OwnedFd;

use bpf_link::{Command, LinkId, Update};

use crate::ensure::old_link;
use crate::ensure::options::Options;
use crate::ensure::ours;
use crate::ensure::outcome::{Attached, LeftOver, OldLink, Outcome, Why};
use crate::ensure::place::{Found, Place, look};
use crate::ensure::recipe::{KindLink as _, Match, Recipe, Wanted};
use crate::error::{Error, Result};
use crate::info::facts::KindFacts;

/// A run on its way: what is wanted where, and what was done so far.
pub(super) struct Run<'a, A: Recipe> {
    pub(super) to: &'a A,
    pub(super) options: &'a Options,
    pub(super) place: &'a Place,
    pub(super) wanted: &'a Wanted<'a>,
    pub(super) taken_over: Option<LinkId>,
    pub(super) left_over: Option<LeftOver>,
    /// Why the last attempt failed, if that may have been somebody else's doing.
    pub(super) refusal: Option<Error>,
}

/// What an attempt comes to.
pub(super) enum Step<L> {
    Done(L, Outcome),
    /// Something has changed, by us or by somebody else: look again.
    Again,
}

/// What an attempt to attach comes to, where there may be a link of ours.
pub(super) enum New<L> {
    Link(L),
    Ours(Step<L>),
    Refused(Error),
}

/// A link that is pinned, and how it compares.
pub(super) struct Pinned<L> {
    pub(super) link: L,
    pub(super) found: Match,
    pub(super) attached: Option<Attached>,
}

impl<A: Recipe> Run<'_, A> {
    pub(super) fn attempt(&mut self) -> Result<Step<A::Link>> {
        self.refusal = None;
        let pinned = look::<A::Link>(&self.place.path)?;
        let temporary = look::<A::Link>(&self.place.temporary)?;
        let refusal = pinned.refused_at(&self.place.path);
        if let Some(refusal) = refusal.filter(|_| !self.options.replace_other) {
            return Err(refusal);
        }
        let is_taken = !matches!(pinned, Found::Nothing);
        let pinned = match pinned {
            Found::Link(link) => Some(self.judge(link)?),
            _ => None,
        };
        match temporary {
            Found::Nothing => {}
            Found::Link(link) => return self.settle(link, pinned),
            // By its name it is of an earlier run, which was about another kind.
            Found::OtherKind(link, _) => {
                old_link::remove(link)?;
                self.left_over = Some(LeftOver::Removed);
                return Ok(Step::Again);
            }
            Found::NoLink => {
                return Err(Error::PinTaken {
                    path: self.place.temporary.clone(),
                    found: None,
                });
            }
        }
        match pinned {
            Some(pinned) => self.keep_or_replace(pinned),
            None if is_taken => self.replace(None, Why::NotSuchALink),
            None => self.make(),
        }
    }

    pub(super) fn judge(&self, link: A::Link) -> Result<Pinned<A::Link>> {
        Ok(Pinned {
            found: self.to.compare(&link, self.wanted)?,
            attached: A::attached(&link)?,
            link,
        })
    }

    /// Finishes what a run was killed at, or removes what it left.
    fn settle(&mut self, left: A::Link, pinned: Option<Pinned<A::Link>>) -> Result<Step<A::Link>> {
        let mut left = self.judge(left)?;
        let is_wanted = left.found == Match::Same && self.is_wanted(left.attached);
        // Where only one link can be on the hook, it is the newer one.
        let is_better =
            |pinned: &Pinned<A::Link>| is_wanted || A::ATTEMPT_TELLS || !pinned.found.is_here();
        if left.found.is_here() && pinned.as_ref().is_none_or(is_better) {
            if !is_pinned(left.link.raw_mut().pin_over(&self.place.path))? {
                return Ok(Step::Again);
            }
            self.left_over = Some(LeftOver::Finished);
            if let Some(pinned) = pinned {
                old_link::retire(pinned.link.into())?;
            }
        } else {
            old_link::remove(left.link.into())?;
            self.left_over = Some(LeftOver::Removed);
        }
        Ok(Step::Again)
    }

    fn is_wanted(&self, attached: Option<Attached>) -> bool {
        attached == Some(self.wanted.attached)
    }

    fn keep_or_replace(&mut self, pinned: Pinned<A::Link>) -> Result<Step<A::Link>> {
        let is_wanted = self.is_wanted(pinned.attached);
        let is_updatable = A::Link::KIND.updated_by().is_some();
        match pinned.found {
            Match::Gone => return self.replace(Some(pinned), Why::HookGone),
            Match::OtherHook => return self.replace(Some(pinned), Why::OtherHook),
            Match::OtherOptions => return self.replace(Some(pinned), Why::OtherOptions),
            Match::Unclear if is_updatable => {}
            Match::Unclear if is_wanted => return self.replace(Some(pinned), Why::OtherOptions),
            Match::Unclear => return self.replace(Some(pinned), Why::NotUpdatable),
            Match::Same => {}
        }
        if A::ATTEMPT_TELLS {
            match self.to.create(self.wanted.object) {
                // The hook was free, so the link is not on it.
                Ok(new) => {
                    let facts = KindFacts::of(A::Link::KIND);
                    let why = match facts.and_then(|facts| facts.gone) {
                        Some(_) => Why::OtherHook,
                        None => Why::HookGone,
                    };
                    return self.put(new, Some(pinned), Some(why), false);
                }
                Err(error) if is_taken(&error) => {}
                Err(error) => return Err(error),
            }
        }
        if is_wanted {
            self.done(pinned.link, Outcome::AlreadyRunning)
        } else if is_updatable {
            self.update(pinned)
        } else {
            self.replace(Some(pinned), Why::NotUpdatable)
        }
    }

    /// Puts the program on the link, if what was seen there is there still.
    fn update(&mut self, pinned: Pinned<A::Link>) -> Result<Step<A::Link>> {
        self.to.check(self.wanted)?;
        let Some(previous) = pinned.attached else {
            return Ok(Step::Again);
        };
        let seen = match open(previous) {
            Ok(seen) => Some(seen),
            // The link has another by now.
            Err(bpf_link::Error::Vanished(_)) => return Ok(Step::Again),
            // Without the privilege to open it there is only the lock.
            Err(bpf_link::Error::PermissionDenied(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let update = match self.wanted.attached {
            Attached::Program(_) => Update::program(&self.wanted.object),
            Attached::Map(_) => Update::map(&self.wanted.object),
        };
        let update = match &seen {
            Some(seen) => update.expecting(seen),
            None => update,
        };
        match pinned.link.raw().update(update) {
            Ok(()) => self.done(pinned.link, Outcome::Updated { previous }),
            Err(bpf_link::Error::OldProgramMismatch { .. } | bpf_link::Error::HookGone(_)) => {
                Ok(Step::Again)
            }
            // The kernel has one number for both, and what was expected may be there again by now.
            Err(error @ bpf_link::Error::PermissionDenied(_)) if seen.is_some() => {
                self.refusal = Some(error.into());
                Ok(Step::Again)
            }
            Err(error) => match error.errno() {
                // Not of this sort: on a link of its own it may go, or the kernel says better why not.
                Some(libc::EINVAL | libc::EOPNOTSUPP) => {
                    self.replace(Some(pinned), Why::NotUpdatable)
                }
                Some(libc::EEXIST) => Err(Error::AlreadyAttached(error)),
                _ => Err(error.into()),
            },
        }
    }

    /// Makes the first link, unless there is one of ours.
    fn make(&mut self) -> Result<Step<A::Link>> {
        match self.attach_unless_ours(None, false)? {
            New::Ours(step) => Ok(step),
            New::Link(new) => self.put(new, None, None, false),
            New::Refused(refusal) => {
                let new = self.create_once_free(refusal)?;
                self.put(new, None, None, false)
            }
        }
    }

    /// Attaches a new link, unless one of ours is on the hook.
    ///
    /// Where the info leaves it open whether a link is on this hook, an attempt to attach is the better way to find out: a link
    /// of ours is not on a hook that is free, but perhaps on one like it in another network namespace.
    pub(super) fn attach_unless_ours(
        &mut self,
        pinned: Option<&Pinned<A::Link>>,
        is_taken_path: bool,
    ) -> Result<New<A::Link>> {
        if !A::ATTEMPT_TELLS {
            if let Some(step) = self.take_ours_over(pinned, is_taken_path)? {
                return Ok(New::Ours(step));
            }
        }
        let refusal = match self.to.create(self.wanted.object) {
            Ok(new) => return Ok(New::Link(new)),
            Err(refusal) => refusal,
        };
        if A::ATTEMPT_TELLS && is_taken(&refusal) {
            if let Some(step) = self.take_ours_over(pinned, is_taken_path)? {
                return Ok(New::Ours(step));
            }
        }
        Ok(New::Refused(refusal))
    }

    /// Takes over what is on the hook and ours, though it is not pinned where it should be; nothing if there is none. Perhaps
    /// the place of the pin is taken by something that is of no use any more.
    fn take_ours_over(
        &mut self,
        pinned: Option<&Pinned<A::Link>>,
        is_taken: bool,
    ) -> Result<Option<Step<A::Link>>> {
        let Some((ours, take_over)) = &self.options.ours else {
            return Ok(None);
        };
        let but = match pinned {
            Some(pinned) => Some(pinned.link.raw().id()?),
            None => None,
        };
        let mut found = ours::find(self.to, ours, self.wanted, but)?;
        let ids: bpf_link::Result<Vec<LinkId>> = found.iter().map(|link| link.raw().id()).collect();
        let ids = ids?;
        match (found.pop(), *take_over && found.is_empty()) {
            (None, _) => Ok(None),
            (Some(mut link), true) => {
                let path = &self.place.path;
                let result = if is_taken {
                    link.raw_mut().pin_over(path)
                } else {
                    link.raw_mut().pin(path)
                };
                if is_pinned(result)? {
                    self.taken_over = ids.first().copied();
                }
                Ok(Some(Step::Again))
            }
            (Some(_), false) => Err(Error::OursFound { links: ids }),
        }
    }

    /// Pins a new link, in the place of what is pinned now.
    pub(super) fn put(
        &mut self,
        mut new: A::Link,
        old: Option<Pinned<A::Link>>,
        why: Option<Why>,
        gap: bool,
    ) -> Result<Step<A::Link>> {
        let pinned = match why {
            None => is_pinned(new.raw_mut().pin(&self.place.path)),
            Some(_) => match self.is_there_still(old.as_ref()) {
                Ok(true) => is_pinned(new.raw_mut().pin_over(&self.place.path)),
                answer => answer,
            },
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
        let previous = old.as_ref().and_then(|old| old.attached);
        let old_link = match old {
            None => OldLink::None,
            Some(old) if old.found == Match::Gone => OldLink::Gone,
            Some(old) => old_link::retire(old.link.into())?,
        };
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

    /// Whether what is to be replaced is still what is pinned.
    fn is_there_still(&self, old: Option<&Pinned<A::Link>>) -> Result<bool> {
        Ok(match (look::<A::Link>(&self.place.path)?, old) {
            (Found::Link(found), Some(old)) => found.raw().id()? == old.link.raw().id()?,
            (Found::OtherKind(..) | Found::NoLink, None) => true,
            _ => false,
        })
    }

    /// Makes sure, at the end, that the link is pinned there: pins it again if the pin has gone meanwhile.
    pub(super) fn done(&self, mut link: A::Link, outcome: Outcome) -> Result<Step<A::Link>> {
        if is_pinned(link.raw_mut().pin(&self.place.path))? {
            Ok(Step::Done(link, outcome))
        } else {
            Ok(Step::Again)
        }
    }
}

/// Whether a link is pinned now; no if somebody else was faster.
pub(super) fn is_pinned(result: bpf_link::Result<()>) -> Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(bpf_link::Error::PathExists(_) | bpf_link::Error::PinReplaced { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Opens what is attached by a link.
pub(super) fn open(attached: Attached) -> bpf_link::Result<OwnedFd> {
    match attached {
        Attached::Program(id) => bpf_link::open_program(id),
        Attached::Map(id) => bpf_link::open_map(id),
    }
}

/// Whether the refusal is because of what is on the hook.
pub(super) fn is_taken(error: &Error) -> bool {
    match error {
        Error::HookTaken(_) | Error::PriorityTaken { .. } | Error::AlreadyAttached(_) => true,
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
