//! Places in the list of programs of a hook.

use std::convert::Infallible;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use bpf_link::{Anchor, AttachFlags, LinkId, MprogArgs, RawLink};

use crate::attach::file_ref::Opened;
use crate::error::{Error, Result};

/// Where a program runs among the programs of its hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position<A> {
    /// Before all that are there.
    #[doc(alias = "BPF_F_BEFORE")]
    First,
    /// After all that are there.
    #[doc(alias = "BPF_F_AFTER")]
    Last,
    /// Right before this one.
    #[doc(alias = "BPF_F_BEFORE")]
    Before(A),
    /// Right after this one.
    #[doc(alias = "BPF_F_AFTER")]
    After(A),
}

impl<A> Position<A> {
    /// The same place, next to what is made of its anchor.
    pub(crate) fn of<B>(self, anchor: impl FnOnce(A) -> B) -> Position<B> {
        let Ok(place) = self.try_of(|own| Ok::<_, Infallible>(anchor(own)));
        place
    }

    /// The same, where that can fail.
    pub(crate) fn try_of<B, E>(
        self,
        anchor: impl FnOnce(A) -> Result<B, E>,
    ) -> Result<Position<B>, E> {
        Ok(match self {
            Self::First => Position::First,
            Self::Last => Position::Last,
            Self::Before(next) => Position::Before(anchor(next)?),
            Self::After(previous) => Position::After(anchor(previous)?),
        })
    }
}

/// The link whose program another is placed next to, on hooks where it cannot be a program.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum LinkAnchor<'a> {
    /// This link.
    Link(BorrowedFd<'a>),
    /// The link with this id.
    LinkId(LinkId),
}

impl<'a> LinkAnchor<'a> {
    /// This link.
    pub fn link(link: &'a (impl AsFd + ?Sized)) -> Self {
        Self::Link(link.as_fd())
    }
}

impl<'a> From<LinkAnchor<'a>> for Anchor<'a> {
    fn from(anchor: LinkAnchor<'a>) -> Self {
        match anchor {
            LinkAnchor::Link(fd) => Self::Link(fd),
            LinkAnchor::LinkId(id) => Self::LinkId(id),
        }
    }
}

/// The flags and arguments of a creation that stand for a position and a revision.
pub(crate) fn arguments<'a, A: Into<Anchor<'a>> + Copy>(
    position: Option<Position<A>>,
    expected_revision: Option<u64>,
) -> (AttachFlags, MprogArgs<'a>) {
    let (flags, anchor) = match position {
        None => (AttachFlags::empty(), None),
        Some(Position::First) => (AttachFlags::BEFORE, None),
        Some(Position::Last) => (AttachFlags::AFTER, None),
        Some(Position::Before(anchor)) => (AttachFlags::BEFORE, Some(anchor)),
        Some(Position::After(anchor)) => (AttachFlags::AFTER, Some(anchor)),
    };
    let args = MprogArgs::new().expected_revision(expected_revision.unwrap_or(0));
    let args = match anchor {
        Some(anchor) => args.anchor(anchor.into()),
        None => args,
    };
    (flags, args)
}

/// Whether the one at this index of a list is in this position; `is_anchor` is about the one next
/// to it.
pub(crate) fn is_at<A: Copy, T>(
    position: Position<A>,
    list: &[T],
    index: usize,
    is_anchor: impl Fn(A, &T) -> Result<bool>,
) -> Result<bool> {
    let is = |anchor, neighbour: Option<&T>| match neighbour {
        Some(neighbour) => is_anchor(anchor, neighbour),
        None => Ok(false),
    };
    match position {
        Position::First => Ok(index == 0),
        Position::Last => Ok(index + 1 == list.len()),
        Position::Before(anchor) => is(anchor, list.get(index + 1)),
        Position::After(anchor) => is(anchor, index.checked_sub(1).and_then(|at| list.get(at))),
    }
}

/// Whether the position exists: if it is next to something, the list has to contain that.
pub(crate) fn exists<A: Copy, T>(
    position: Option<Position<A>>,
    list: impl FnOnce() -> Result<Vec<T>>,
    is_anchor: impl Fn(A, &T) -> Result<bool>,
) -> Result<bool> {
    let Some(Position::Before(anchor) | Position::After(anchor)) = position else {
        return Ok(true);
    };
    for one in &list()? {
        if is_anchor(anchor, one)? {
            return Ok(true);
        }
    }
    Ok(false)
}

impl<A> Position<A> {
    /// The same position; `None` if it is next to something, which may be gone.
    pub(crate) fn without_anchor(self) -> Option<Self> {
        match self {
            Self::First | Self::Last => Some(self),
            Self::Before(_) | Self::After(_) => None,
        }
    }
}

/// Refuses a revision that is expected, where a link may be updated in place by way of this pin.
pub(crate) fn without_revision(expected_revision: Option<u64>, pin: &Path) -> Result<()> {
    match expected_revision {
        None => Ok(()),
        Some(revision) => Err(Error::ExpectedRevision {
            path: pin.to_owned(),
            revision,
        }),
    }
}

/// Whether a position has an anchor.
pub(crate) fn has_anchor<A>(position: Option<&Position<A>>) -> bool {
    matches!(position, Some(Position::Before(_) | Position::After(_)))
}

/// The link that is an anchor.
pub(crate) fn anchor_link(anchor: BorrowedFd<'_>) -> Result<RawLink> {
    let duplicate = Opened::Borrowed(anchor).into_owned()?;
    RawLink::try_from(duplicate).map_err(|refused| refused.into_parts().1.into())
}
