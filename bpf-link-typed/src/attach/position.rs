//! Places in the list of programs of a hook.

use std::os::fd::{AsFd, BorrowedFd};

use bpf_link::{Anchor, AttachFlags, LinkId, MprogArgs};

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

/// Whether a position has an anchor.
pub(crate) fn has_anchor<A>(position: Option<&Position<A>>) -> bool {
    matches!(position, Some(Position::Before(_) | Position::After(_)))
}
