//! How to recognize our own links if they are not pinned where they should be.

use bpf_link::{MapInfo, ProgramInfo};

use crate::attach::name_ref::NameRef;
use crate::ensure::outcome::Attached;

/// How to recognize a link of ours: by the program or map that it attaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ours(Rule);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    /// What the kernel keeps of it.
    Name(Box<[u8]>),
    Tag([u8; 8]),
    AnyOf(Vec<Ours>),
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

    /// By any of these: the programs of an agent have different names.
    ///
    /// ```
    /// use bpf_link_typed::ensure::Ours;
    ///
    /// let ours = Ours::any_of([c"agent_xdp", c"agent_ingress"].map(Ours::by_name));
    /// ```
    #[must_use]
    pub fn any_of(rules: impl IntoIterator<Item = Self>) -> Self {
        Self(Rule::AnyOf(rules.into_iter().collect()))
    }

    /// Whether this is ours. What has gone since is not: it was not on a link that is still there.
    pub(crate) fn is(&self, attached: Attached) -> bpf_link::Result<bool> {
        // Without a rule there is nothing to ask the kernel, which takes a privilege.
        if matches!(&self.0, Rule::AnyOf(rules) if rules.is_empty()) {
            return Ok(false);
        }
        match self.matches(attached) {
            Err(bpf_link::Error::Vanished(_)) => Ok(false),
            answer => answer,
        }
    }

    fn matches(&self, attached: Attached) -> bpf_link::Result<bool> {
        Ok(match attached {
            Attached::Program(id) => {
                let info = ProgramInfo::from_id(id)?;
                self.fits(info.name.to_bytes(), Some(info.tag.0))
            }
            Attached::Map(id) => {
                let info = MapInfo::from_id(id)?;
                self.fits(info.name.to_bytes(), None)
            }
        })
    }

    /// Whether a program or map with this name and tag is ours. Maps have no tag.
    fn fits(&self, name: &[u8], tag: Option<[u8; 8]>) -> bool {
        match &self.0 {
            Rule::Name(ours) => *name == **ours,
            Rule::Tag(ours) => tag == Some(*ours),
            Rule::AnyOf(rules) => rules.iter().any(|rule| rule.fits(name, tag)),
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

    #[test]
    fn any_of_several_is_enough() {
        let ours = Ours::any_of([Ours::by_name(c"one"), Ours::by_tag([2; 8])]);
        assert!(ours.fits(b"one", Some([1; 8])));
        assert!(ours.fits(b"one", None));
        assert!(ours.fits(b"another", Some([2; 8])));
        assert!(!ours.fits(b"another", Some([1; 8])));
        assert!(!ours.fits(b"another", None));
        assert!(!Ours::any_of([]).fits(b"one", Some([2; 8])));
    }
}
