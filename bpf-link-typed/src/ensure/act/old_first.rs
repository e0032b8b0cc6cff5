//! Where the hook takes only one program: the old link first, then the new one.

use std::os::fd::{AsFd as _, OwnedFd};

use crate::ensure::look::Held;
use crate::ensure::old_link::{self, Waiting, waits_open};
use crate::ensure::outcome::{Attached, OldLink, Outcome, Why};
use crate::ensure::recipe::{KindLink as _, Recipe};
use crate::ensure::seen::{Candidate, Found};
use crate::error::{Error, Result};

use super::{Run, Step, is_pinned, is_taken, open};

impl<A: Recipe> Run<'_, A> {
    /// Takes the old link off, and attaches the new one; puts the old program back if that fails.
    pub(super) fn replace_old_first(
        &self,
        old: Candidate<Held<A>>,
        why: Why,
    ) -> Result<Step<A::Link>> {
        self.to.check(self.wanted)?;
        let way_back = self.to.way_back(&old.link.info)?;
        let program = match old.attached.map(open).transpose() {
            Ok(program) => program,
            // Without the privilege to open it there is no way back, nor to what has gone, but that
            // is no reason to go on with the old version. Whatever else keeps it from being opened
            // may keep the new one from being attached.
            Err(bpf_link::Error::PermissionDenied(_) | bpf_link::Error::Vanished(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let back = program.map(|program| Back { program, way_back });
        match old.link.link.raw().detach() {
            Ok(()) => {}
            Err(
                bpf_link::Error::UnsupportedByKind { .. } | bpf_link::Error::UnsupportedByKernel(_),
            ) => return self.replace_after_the_old_has_gone(old, why, back),
            Err(error) => return Err(error.into()),
        }
        // Its pin stays until another takes the place, so that the next run finds one whatever
        // happens.
        let new = self.to.create(self.wanted.object);
        let done = new.and_then(|new| self.put(new, Some(Found::OfKind(old)), Some(why), true));
        done.map_err(|source| self.put_back(back, source))
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

    /// The same for a kind that cannot be detached: the kernel frees its link some time after its
    /// last descriptor or pin.
    fn replace_after_the_old_has_gone(
        &self,
        mut old: Candidate<Held<A>>,
        why: Why,
        back: Option<Back<A>>,
    ) -> Result<Step<A::Link>> {
        let id = old.id;
        match old.link.link.raw_mut().unpin() {
            Ok(()) => {}
            Err(bpf_link::Error::PinReplaced { .. }) => return Ok(Step::Again),
            Err(error) => return Err(error.into()),
        }
        let previous = old.attached;
        drop(old);
        let mut waiting = Waiting::until_gone();
        let source = loop {
            match self.to.create(self.wanted.object) {
                Ok(new) => match self.put_after_gap(new, why, previous) {
                    Ok(step) => return Ok(step),
                    Err(error) => break error,
                },
                Err(error) if is_taken(&error) && waits_open(id, &mut waiting) => {}
                Err(error) => break error,
            }
        };
        // It may be there still, because somebody else holds it or because the kernel takes its
        // time.
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
    fn put_back(&self, back: Option<Back<A>>, source: Error) -> Error {
        let source = Box::new(source);
        let Some(Back { program, way_back }) = back else {
            return Error::OldProgramLost {
                source,
                put_back: None,
            };
        };
        let done = way_back.create(program.as_fd()).and_then(|mut link| {
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
struct Back<A> {
    program: OwnedFd,
    way_back: A,
}
