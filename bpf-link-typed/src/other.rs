//! Links of kinds that are newer than this release.

use std::fs::File;

use bpf_link::{LinkKind, RawLink};

use crate::error::Result;
use crate::info::answer::Answer;
use crate::info::buf::Ask;
use crate::info::types::info;
use crate::link::link_type::{common, detach, info_methods, update};

/// A link of a kind that is newer than this release.
///
/// All that links have in common works. Which of the other operations the kind has, the kernel
/// answers.
#[derive(Debug)]
#[must_use = "dropping a link detaches its program, unless the link is pinned or held elsewhere"]
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

#[cfg(test)]
mod tests {
    use bpf_link::LinkKind;

    use crate::info::LinkInfoRef;
    use crate::info::recorded::{Bytes, NONE, check};

    #[test]
    fn a_later_kind_keeps_its_bytes() {
        let bytes = Bytes::of(LinkKind::Unknown(99)).u64(56, 5);
        check!(bytes, NONE, Other(info) => {
            assert_eq!((info.kind, info.bytes), (LinkKind::Unknown(99), bytes.0.as_slice()));
            assert_eq!(info.is_defunct(), None);
        });
    }
}
