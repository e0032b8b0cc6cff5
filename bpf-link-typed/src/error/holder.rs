//! Who has a hook that another program was to have.

use std::ffi::CString;
use std::fmt;

use bpf_link::{LinkId, MapId, ProgramId};

/// A program, or a map of `struct_ops`, that has a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HookHolder {
    /// The program; `None` for a map.
    pub program: Option<ProgramId>,
    /// The map of `struct_ops`; `None` for a program.
    pub map: Option<MapId>,
    /// The name of the program or map; empty if it has no name, or the kernel does not report it to
    /// this caller.
    pub name: CString,
    /// The link that keeps it there.
    pub link: HolderLink,
    /// Whether it is certain that this one has the hook. Of a netfilter link the kernel does not
    /// report the network namespace, nor whether it is still attached. Of a program that traces
    /// another program it does not report which of several with the same types that is. Of flow
    /// dissectors, only that in the first network namespace is in the way of the others.
    pub is_certain: bool,
}

/// The link that keeps a program on a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HolderLink {
    /// The link with this id.
    Link(LinkId),
    /// None: the program was attached in an older way, such as by netlink.
    WithoutLink,
    /// The caller may not look for it, which takes `CAP_SYS_ADMIN`, or the kernel does not tell.
    Unknown,
}

impl fmt::Display for HookHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.program, self.map) {
            (Some(program), _) => write!(f, "program {program}")?,
            (None, Some(map)) => write!(f, "map {map}")?,
            (None, None) => f.write_str("something")?,
        }
        if !self.name.is_empty() {
            write!(f, " ({})", self.name.to_string_lossy())?;
        }
        match self.link {
            HolderLink::Link(link) => write!(f, " of link {link}"),
            HolderLink::WithoutLink => f.write_str(" without a link"),
            HolderLink::Unknown => Ok(()),
        }
    }
}
