//! Network devices, by index or by name.

mod look_up;

use std::ffi::{OsStr, OsString};
use std::fmt;

/// A network device in the network namespace of the thread that attaches to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Interface {
    /// By its index.
    Index(u32),
    /// By its name, which is looked up whenever a program is attached.
    Name(OsString),
}

impl From<u32> for Interface {
    fn from(index: u32) -> Self {
        Self::Index(index)
    }
}

impl From<&str> for Interface {
    fn from(name: &str) -> Self {
        Self::Name(name.into())
    }
}

impl From<&OsStr> for Interface {
    fn from(name: &OsStr) -> Self {
        Self::Name(name.into())
    }
}

/// Writes the name, or the index.
impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => write!(f, "{index}"),
            Self::Name(name) => write!(f, "{}", name.to_string_lossy()),
        }
    }
}
