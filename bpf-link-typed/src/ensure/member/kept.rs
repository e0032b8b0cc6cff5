//! What a run has left, whatever its kind.

use std::any::Any;
use std::path::PathBuf;
use std::time::Duration;

use bpf_link::{LinkId, PinLock, RawLink};

use crate::ensure::ensured::{Ensured, FileId, Left};
use crate::ensure::outcome::{Attached, Outcome};
use crate::ensure::recipe::{KindLink, Recipe};
use crate::ensure::standing::{Standing, Stopped};
use crate::error::Result;

/// An [`Ensured`] of any kind.
pub(crate) trait Kept: Any + Send + Sync {
    fn set_outcome(&mut self, outcome: Outcome);
    fn standing(&self) -> Result<Standing>;
    /// Takes the lock of the pin's directory; `None` if the directory is missing.
    fn lock(&self) -> Result<Option<PinLock>>;
    /// Lets go of it, for a caller who has the lock.
    fn stop_locked(self: Box<Self>) -> Result<Stopped>;
    fn as_any(&self) -> &dyn Any;
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

impl<L: KindLink> Kept for Ensured<L> {
    fn set_outcome(&mut self, outcome: Outcome) {
        self.outcome = outcome;
    }

    fn standing(&self) -> Result<Standing> {
        Self::standing(self)
    }

    fn lock(&self) -> Result<Option<PinLock>> {
        self.left.lock()
    }

    fn stop_locked(self: Box<Self>) -> Result<Stopped> {
        Self::stop_locked(*self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// What a run ends with.
pub(crate) struct End {
    pub(crate) link: RawLink,
    pub(crate) outcome: Outcome,
    pub(crate) taken_over: Option<LinkId>,
    pub(crate) is_in_place: Option<bool>,
    pub(crate) path: PathBuf,
    pub(crate) file: FileId,
    pub(crate) lock_within: Duration,
}

/// A link that is pinned at the path now.
pub(super) fn of<A: Recipe>(end: End, attached: Attached) -> Result<Box<dyn Kept>> {
    let link = A::Link::try_from(end.link)?;
    Ok(Box::new(Ensured {
        left: Left {
            link: link.raw().id()?,
            file: end.file,
            attached,
            lock_within: end.lock_within,
            ask: |link: &A::Link| Ok(A::attached(&link.ask()?)),
            path: end.path,
        },
        link,
        outcome: end.outcome,
        taken_over: end.taken_over,
        left_over: None,
        displaced: None,
        is_in_place: end.is_in_place,
    }))
}
