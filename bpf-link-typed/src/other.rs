//! Links of kinds that are newer than this release.

use std::fs::File;

use bpf_link::{LinkKind, RawLink};

use crate::answer::Answer;
use crate::error::{Rejected, Result};
use crate::info_buf::Ask;
use crate::info_types::info;
use crate::link::Link;
use crate::link_type::{common, detach, info_methods, update};

/// A link of a kind that is newer than this release.
///
/// All that links have in common works. Which of the other operations the kind has, the kernel answers.
#[derive(Debug)]
pub struct OtherLink(pub(crate) RawLink, pub(crate) LinkKind);

common!(OtherLink);
info_methods!(OtherLink, OtherInfo / OtherInfoRef);
update!(OtherLink);
detach!(OtherLink);

info! {
    /// What the kernel says about an [`OtherLink`].
    pub struct OtherInfo / OtherInfoRef {
        /// The kind, which has only a number.
        kind: LinkKind,
        /// The kernel's `struct bpf_link_info`, as much of it as this release has room for.
        bytes: Vec<u8> => &'a [u8],
    }
}

impl<'a> OtherInfoRef<'a> {
    #[inline]
    pub(crate) fn parse(answer: &Answer<'a>) -> Self {
        Self {
            id: answer.id(),
            program_id: answer.program_id(),
            kind: answer.kind(),
            bytes: answer.bytes(),
        }
    }

    /// Whether the link is without its hook: `None`, as nothing is known of the kind.
    #[must_use]
    pub const fn is_defunct(&self) -> Option<bool> {
        None
    }
}

impl OtherInfo {
    /// Whether the link is without its hook: `None`, as nothing is known of the kind.
    #[must_use]
    pub const fn is_defunct(&self) -> Option<bool> {
        None
    }
}

impl OtherLink {
    const ASK: Ask = Ask::Fields;

    /// The kind of the link, which has only a number.
    #[must_use]
    pub fn kind(&self) -> LinkKind {
        self.1
    }

    /// Starts a new run, if it is a sort of iterator.
    ///
    /// # Errors
    ///
    /// As [`RawLink::create_iter`].
    pub fn create_iter(&self) -> Result<File> {
        Ok(self.0.create_iter()?)
    }
}

impl From<OtherLink> for Link {
    fn from(link: OtherLink) -> Self {
        Self::Other(link)
    }
}

/// Asks the kernel for the kind, if it has not said yet. A refused link is given back: its kind has a type of its own.
impl TryFrom<RawLink> for OtherLink {
    type Error = Rejected<RawLink>;

    fn try_from(link: RawLink) -> Result<Self, Self::Error> {
        match Link::try_from(link)? {
            Link::Other(link) => Ok(link),
            link => {
                let kind = link.kind();
                Err(Rejected::wrong_kind(link.into(), None, kind))
            }
        }
    }
}

/// A refused link is given back.
impl TryFrom<Link> for OtherLink {
    type Error = Rejected<Link>;

    fn try_from(link: Link) -> Result<Self, Self::Error> {
        match link {
            Link::Other(link) => Ok(link),
            link => {
                let kind = link.kind();
                Err(Rejected::wrong_kind(link, None, kind))
            }
        }
    }
}
