//! What one look has found: the paths of the pin, the links of ours, and what attempts have told.

use bpf_link::{LinkId, LinkKind, PinEntry};

use crate::ensure::outcome::Attached;
use crate::ensure::recipe::{Blocks, Match};

/// What one look has found. `L` is a link of the kind, and `O` one of another kind.
#[derive(Clone, Debug)]
pub(super) struct Seen<L, O> {
    pub(super) at_path: PinEntry<Found<L, O>>,
    /// At the path that a pin has for a moment on the way to its own: what a run that was killed
    /// has left.
    pub(super) beside: PinEntry<Found<L, O>>,
    /// The links of ours that are on the hook, but not at the path. `None` as long as nobody has
    /// looked for them.
    pub(super) ours: Option<Vec<Candidate<L>>>,
    pub(super) hook: Hook,
    /// The kernel has refused to put the new program on the link that is at the path.
    pub(super) update_refused: bool,
}

/// A link, and whether it is of the kind.
#[derive(Clone, Debug)]
pub(super) enum Found<L, O> {
    OfKind(Candidate<L>),
    OtherKind(Other<O>),
}

/// A link of another kind.
#[derive(Clone, Debug)]
pub(super) struct Other<O> {
    pub(super) link: O,
    pub(super) id: LinkId,
    pub(super) kind: LinkKind,
    pub(super) attached: Option<Attached>,
}

/// A link of the kind, beside what is wanted.
#[derive(Clone, Debug)]
pub(super) struct Candidate<L> {
    pub(super) link: L,
    pub(super) id: LinkId,
    pub(super) found: Match,
    pub(super) attached: Option<Attached>,
    pub(super) blocks: Blocks,
    /// It is not where it was to be among the programs of the hook.
    pub(super) is_out_of_place: bool,
}

/// What an attempt to attach has told about the hook.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Hook {
    /// Nobody has tried to attach yet.
    #[default]
    NotTried,
    /// It takes no more beside what it has.
    Taken,
    /// The same, as it has as many as it takes.
    Full,
}

impl<L, O> Seen<L, O> {
    /// The link of the kind that is at the path.
    pub(super) fn pinned(&self) -> Option<&Candidate<L>> {
        of_kind(&self.at_path)
    }

    /// The same, which is no longer part of what was seen.
    pub(super) fn take_pinned(&mut self) -> Option<Candidate<L>> {
        self.take_at_path().and_then(Found::of_kind)
    }

    /// The link of whichever kind that is at the path, likewise.
    pub(super) fn take_at_path(&mut self) -> Option<Found<L, O>> {
        take(&mut self.at_path)
    }

    /// What was left beside the path, which is no longer part of what was seen.
    pub(super) fn take_beside(&mut self) -> Option<Found<L, O>> {
        take(&mut self.beside)
    }

    /// A link of ours, likewise.
    pub(super) fn take_ours(&mut self) -> Option<Candidate<L>> {
        self.ours.as_mut().and_then(Vec::pop)
    }
}

impl<L, O> Found<L, O> {
    pub(super) fn id(&self) -> LinkId {
        match self {
            Self::OfKind(candidate) => candidate.id,
            Self::OtherKind(other) => other.id,
        }
    }

    pub(super) fn attached(&self) -> Option<Attached> {
        match self {
            Self::OfKind(candidate) => candidate.attached,
            Self::OtherKind(other) => other.attached,
        }
    }

    fn of_kind(self) -> Option<Candidate<L>> {
        match self {
            Self::OfKind(candidate) => Some(candidate),
            Self::OtherKind(_) => None,
        }
    }
}

impl<L> Candidate<L> {
    pub(super) fn is_here(&self) -> bool {
        self.found.is_here()
    }

    /// Whether it can be why the hook is taken.
    pub(super) fn is_in_the_way(&self, hook: Hook) -> bool {
        match self.blocks {
            Blocks::Never => false,
            Blocks::WhenFull => hook == Hook::Full,
            Blocks::Always => true,
        }
    }
}

/// The link of the kind that is at a path.
pub(super) fn of_kind<L, O>(entry: &PinEntry<Found<L, O>>) -> Option<&Candidate<L>> {
    match entry {
        PinEntry::Link(Found::OfKind(candidate)) => Some(candidate),
        _ => None,
    }
}

fn take<T>(entry: &mut PinEntry<T>) -> Option<T> {
    match std::mem::replace(entry, PinEntry::Missing) {
        PinEntry::Link(link) => Some(link),
        PinEntry::Missing | PinEntry::NotALink => None,
    }
}
