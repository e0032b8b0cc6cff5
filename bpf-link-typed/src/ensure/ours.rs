//! How links of ours are known that are not pinned where they should be.

use bpf_link::{MapInfo, ProgramInfo};

use crate::attach::name_ref::NameRef;
use crate::ensure::outcome::Attached;

/// How a link of ours is known: by what is attached by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ours(Rule);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    /// What the kernel keeps of it.
    Name(Box<[u8]>),
    Tag([u8; 8]),
}

impl Ours {
    /// By the name of the program, or of the `struct_ops` map, of which the kernel has the first 15
    /// bytes.
    #[must_use]
    pub fn by_name<'n>(name: impl Into<NameRef<'n>>) -> Self {
        let name = name.into();
        let bytes = name.as_bytes();
        Self(Rule::Name(bytes.get(..KEPT).unwrap_or(bytes).into()))
    }

    /// By the tag of the program, a digest of its instructions: of the version that is expected to
    /// be there. A map has none.
    #[must_use]
    pub fn by_tag(tag: [u8; 8]) -> Self {
        Self(Rule::Tag(tag))
    }

    /// Whether this is ours. What has gone since is not: it was not on a link that is still there.
    pub(crate) fn is(&self, attached: Attached) -> bpf_link::Result<bool> {
        match self.matches(attached) {
            Err(bpf_link::Error::Vanished(_)) => Ok(false),
            answer => answer,
        }
    }

    fn matches(&self, attached: Attached) -> bpf_link::Result<bool> {
        match attached {
            Attached::Program(id) => {
                let info = ProgramInfo::from_id(id)?;
                Ok(match &self.0 {
                    Rule::Name(name) => *info.name.to_bytes() == **name,
                    Rule::Tag(tag) => info.tag.0 == *tag,
                })
            }
            Attached::Map(id) => {
                let info = MapInfo::from_id(id)?;
                Ok(matches!(&self.0, Rule::Name(name) if *info.name.to_bytes() == **name))
            }
        }
    }
}

/// How many bytes of a name the kernel keeps, without the NUL.
const KEPT: usize = bpf_link_sys::BPF_OBJ_NAME_LEN as usize - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_as_the_kernel_cuts_them() {
        let long = Ours::by_name(c"a_name_that_is_longer");
        assert_eq!(long, Ours::by_name(c"a_name_that_is_"));
        assert_ne!(long, Ours::by_name(c"a_name_that_is"));
        assert_eq!(long, Ours::by_name("a_name_that_is_longer".to_owned()));
    }
}
