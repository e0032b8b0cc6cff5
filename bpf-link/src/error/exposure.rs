//! How another user can change what is pinned.

use std::fmt;

/// How another user can change what is pinned, or where a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Exposure {
    /// It belongs to the user with this id, who is neither root nor the caller.
    Owner(u32),
    /// Its mode lets its group or all users write to it, and it is not a sticky directory above the
    /// pin's own.
    Writable,
}

impl fmt::Display for Exposure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner(owner) => write!(f, "belongs to user {owner}"),
            Self::Writable => f.write_str("can be written to by other users"),
        }
    }
}
