//! A new link in the place of an old one: the new one first, and the old one first where the hook takes only one.

use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;

use crate::ensure::attempt::{New, Pinned, Run, Step, is_pinned, is_taken, open};
use crate::ensure::old_link::{self, Waiting};
use crate::ensure::outcome::{Attached, OldLink, Outcome, Why};
use crate::ensure::recipe::{KindLink as _, Old, Recipe, WayBack};
use crate::error::{Error, Result};

/// How long a hook may stay taken after the last that we hold of its link has gone.
const PATIENCE: Duration = Duration::from_secs(5);

impl<A: Recipe> Run<'_, A> {
    /// Attaches the new link, and has it take the pin of the old one.
    pub(super) fn replace(
        &mut self,
        old: Option<Pinned<A::Link>>,
        why: Why,
    ) -> Result<Step<A::Link>> {
        let is_here = old.as_ref().is_some_and(|old| old.found.is_here());
        let attached = if is_here {
            match self.to.create(self.wanted.object) {
                Ok(new) => New::Link(new),
                Err(refusal) => New::Refused(refusal),
            }
        } else {
            self.attach_unless_ours(old.as_ref(), true)?
        };
        let refusal = match attached {
            New::Ours(step) => return Ok(step),
            New::Link(new) => return self.put(new, old, Some(why), false),
            New::Refused(refusal) => refusal,
        };
        match old {
            Some(old) if is_taken(&refusal) && self.is_in_the_way(&old, &refusal)? => {
                self.replace_old_first(old, why)
            }
            old => {
                let new = self.create_once_free(refusal)?;
                self.put(new, old, Some(why), false)
            }
        }
    }

    /// Tries again what was refused, as long as a link that has just gone may be why: where links cannot be detached, the
    /// kernel first gives up the id of the last that it was by, and then takes the program off, in its own time.
    pub(super) fn create_once_free(&self, mut refusal: Error) -> Result<A::Link> {
        let mut waiting = Waiting::for_at_most(old_link::PATIENCE);
        while !A::Link::KIND.is_detachable() && is_taken(&refusal) && waiting.goes_on() {
            match self.to.create(self.wanted.object) {
                Ok(new) => return Ok(new),
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }

    /// Pins the new link where nothing is pinned any more.
    fn put_after_gap(
        &self,
        mut new: A::Link,
        why: Why,
        previous: Option<Attached>,
    ) -> Result<Step<A::Link>> {
        if !is_pinned(new.raw_mut().pin(&self.place.path))? {
            return Ok(Step::Again);
        }
        let outcome = Outcome::Replaced {
            why,
            previous,
            gap: true,
            old_link: OldLink::Gone,
        };
        self.done(new, outcome)
    }

    fn is_in_the_way(&self, old: &Pinned<A::Link>, refusal: &Error) -> Result<bool> {
        self.to.is_in_the_way(&Old {
            link: &old.link,
            found: old.found,
            same_program: old.attached == Some(self.wanted.attached),
            is_full: refusal.errno() == Some(libc::E2BIG),
        })
    }

    /// Takes the old link off, and attaches the new one; puts the old program back if that fails.
    fn replace_old_first(&mut self, old: Pinned<A::Link>, why: Why) -> Result<Step<A::Link>> {
        let to = self.to;
        let way_back = to.way_back(&old.link)?;
        let program = match old.attached.map(open).transpose() {
            Ok(program) => program,
            // Without the privilege to open it there is no way back, nor to what has gone, but that is no reason to go on
            // with the old version. Whatever else keeps it from being opened may keep the new one from being attached.
            Err(bpf_link::Error::PermissionDenied(_) | bpf_link::Error::Vanished(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let back = program.map(|program| Back { program, way_back });
        match old.link.raw().detach() {
            Ok(()) => {}
            Err(
                bpf_link::Error::UnsupportedByKind { .. } | bpf_link::Error::UnsupportedByKernel(_),
            ) => return self.replace_after_the_old_has_gone(old, why, back),
            Err(error) => return Err(error.into()),
        }
        // Its pin stays until another takes the place, so that the next run finds one whatever happens.
        let new = self.to.create(self.wanted.object);
        let done = new.and_then(|new| self.put(new, Some(old), Some(why), true));
        done.map_err(|source| self.put_back(back, source))
    }

    /// The same for a kind that cannot be detached: its link goes with the last that holds it, in the kernel's own time.
    fn replace_after_the_old_has_gone(
        &mut self,
        mut old: Pinned<A::Link>,
        why: Why,
        back: Option<Back<'_, A::Link>>,
    ) -> Result<Step<A::Link>> {
        let id = old.link.raw().id()?;
        match old.link.raw_mut().unpin() {
            Ok(()) => {}
            Err(bpf_link::Error::PinReplaced { .. }) => return Ok(Step::Again),
            Err(error) => return Err(error.into()),
        }
        let previous = old.attached;
        drop(old);
        let mut waiting = Waiting::for_at_most(PATIENCE);
        let source = loop {
            match self.to.create(self.wanted.object) {
                Ok(new) => match self.put_after_gap(new, why, previous) {
                    Ok(step) => return Ok(step),
                    Err(error) => break error,
                },
                Err(error) if is_taken(&error) && waiting.goes_on() => {}
                Err(error) => break error,
            }
        };
        // It may be there still, because somebody else holds it or because the kernel takes its time.
        let Some(mut old) = old_link::reopen(id) else {
            return Err(self.put_back(back, source));
        };
        match old.pin(&self.place.path) {
            Ok(()) => Err(Error::OldLinkHeld {
                link: id,
                source: Box::new(source),
            }),
            Err(error) => Err(Error::OldProgramLost {
                source: Box::new(source),
                put_back: Some(Box::new(error.into())),
            }),
        }
    }

    /// Attaches the old program again, and pins it: the error that says so.
    fn put_back(&self, back: Option<Back<'_, A::Link>>, source: Error) -> Error {
        let source = Box::new(source);
        let Some(Back { program, way_back }) = back else {
            return Error::OldProgramLost {
                source,
                put_back: None,
            };
        };
        let done = way_back(program.as_fd()).and_then(|mut link| {
            link.raw_mut().pin_over(&self.place.path)?;
            Ok(link.raw().id()?)
        });
        match done {
            Ok(link) => Error::OldProgramPutBack { link, source },
            Err(error) => Error::OldProgramLost {
                source,
                put_back: Some(Box::new(error)),
            },
        }
    }
}

/// The old program, and how it was attached.
struct Back<'a, L> {
    program: OwnedFd,
    way_back: WayBack<'a, L>,
}
