//! What a run has left, whatever its kind.

use std::any::Any;
use std::path::{Path, PathBuf};

use bpf_link::{LinkId, RawLink};

use crate::ensure::ensured::{Ensured, FileId, Left};
use crate::ensure::outcome::{Attached, Outcome};
use crate::ensure::recipe::{KindLink, Recipe};
use crate::ensure::standing::{Standing, Stopped};
use crate::error::Result;

/// An [`Ensured`] of any kind.
pub(crate) trait Kept: Any + Send + Sync {
    fn standing(&self) -> Result<Standing>;
    fn stop(self: Box<Self>) -> Result<Stopped>;
    fn as_any(&self) -> &dyn Any;
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

impl<L: KindLink> Kept for Ensured<L> {
    fn standing(&self) -> Result<Standing> {
        Self::standing(self)
    }

    fn stop(self: Box<Self>) -> Result<Stopped> {
        Self::stop(*self)
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
    pub(crate) path: PathBuf,
    pub(crate) file: PinFile,
}

/// The file that a pin is, by which it is told from a later pin at its path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PinFile(FileId);

impl PinFile {
    /// That of what is pinned at this path; `None` if nothing is.
    pub(crate) fn at(path: &Path) -> Result<Option<Self>> {
        Ok(FileId::at(path)?.map(Self))
    }
}

/// A link that is pinned at the path now.
pub(super) fn of<A: Recipe>(end: End, attached: Attached) -> Result<Box<dyn Kept>> {
    let link = A::Link::try_from(end.link)?;
    Ok(Box::new(Ensured {
        left: Left {
            link: link.raw().id()?,
            file: end.file.0,
            attached,
            ask: |link: &A::Link| Ok(A::attached(&link.ask()?)),
            path: end.path,
        },
        link,
        outcome: end.outcome,
        taken_over: end.taken_over,
        left_over: None,
        is_in_place: None,
    }))
}
