//! Links of ours that are on the hook, but not pinned where they should be.

use std::ffi::{CStr, CString};

use bpf_link::{LinkId, MapInfo, ProgramInfo, RawLink};

use crate::ensure::outcome::Attached;
use crate::ensure::recipe::{KindLink as _, Recipe, Wanted};
use crate::error::Result;

/// How a link of ours is known: by what is attached by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ours(Rule);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    Name(CString),
    Tag([u8; 8]),
}

impl Ours {
    /// By the name of the program, or of the `struct_ops` map, of which the kernel has the first 15 bytes.
    #[must_use]
    pub fn by_name(name: &CStr) -> Self {
        let bytes = name.to_bytes();
        let kept = bytes.get(..KEPT).unwrap_or(bytes);
        // There is no NUL in the beginning of a name that has none.
        Self(Rule::Name(CString::new(kept).unwrap_or_default()))
    }

    /// By the tag of the program, a digest of its instructions: of the version that is expected to be there. A map has none.
    #[must_use]
    pub fn by_tag(tag: [u8; 8]) -> Self {
        Self(Rule::Tag(tag))
    }

    fn is(&self, attached: Attached) -> bpf_link::Result<bool> {
        match attached {
            Attached::Program(id) => {
                let info = ProgramInfo::from_id(id)?;
                Ok(match &self.0 {
                    Rule::Name(name) => info.name == *name,
                    Rule::Tag(tag) => info.tag.0 == *tag,
                })
            }
            Attached::Map(id) => {
                let info = MapInfo::from_id(id)?;
                Ok(matches!(&self.0, Rule::Name(name) if info.name == *name))
            }
        }
    }
}

/// How many bytes of a name the kernel keeps, without the NUL.
const KEPT: usize = bpf_link_sys::BPF_OBJ_NAME_LEN as usize - 1;

/// The links of ours that are on the hook; `but` is not one of them.
pub(super) fn find<A: Recipe>(
    to: &A,
    ours: &Ours,
    wanted: &Wanted<'_>,
    but: Option<LinkId>,
) -> Result<Vec<A::Link>> {
    let mut found = Vec::new();
    let mut look_at = |link: RawLink| -> Result<()> {
        if Some(link.id()?) == but || link.kind()? != A::Link::KIND {
            return Ok(());
        }
        let link = A::Link::try_from(link)?;
        let Some(attached) = A::attached(&link)? else {
            return Ok(());
        };
        match ours.is(attached) {
            Ok(true) if to.compare(&link, wanted)?.is_here() => found.push(link),
            // A program that has gone since was not on a link that is still there.
            Ok(_) | Err(bpf_link::Error::Vanished(_)) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    };
    match to.links_on_hook()? {
        Some(ids) => {
            for id in ids {
                match RawLink::from_id(id) {
                    Err(bpf_link::Error::Vanished(_) | bpf_link::Error::Unsettled(_)) => {}
                    link => look_at(link?)?,
                }
            }
        }
        None => {
            for link in bpf_link::links() {
                look_at(link?)?;
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_as_the_kernel_cuts_them() {
        let long = Ours::by_name(c"a_name_that_is_longer");
        assert_eq!(long, Ours::by_name(c"a_name_that_is_"));
        assert_ne!(long, Ours::by_name(c"a_name_that_is"));
    }
}
