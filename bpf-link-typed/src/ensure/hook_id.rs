//! Which hook some options are for, so that two for the same one are told.

use std::hash::{DefaultHasher, Hash, Hasher as _};

use bpf_link::LinkKind;

use crate::attach::netns::Netns;

/// A hook, as the options for it have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HookId {
    pub kind: LinkKind,
    /// What tells it from other hooks of the kind.
    pub numbers: [u64; 3],
}

/// A hash, for one of the numbers of a [`HookId`].
pub(crate) fn hash_of(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// A number for a network namespace as the options have it; 0 for that of the calling thread.
///
/// One that is spelled in two ways has two numbers: then the kernel refuses the second program.
pub(crate) fn number_of(netns: Option<&Netns>) -> u64 {
    netns.map_or(0, hash_of)
}
