//! What applying a set would do, a line for each link.

use std::fmt;
use std::path::PathBuf;

use bpf_link::{LinkId, LinkKind};

use crate::ensure::Planned;

/// What [`LinkSet::apply`](crate::LinkSet::apply) would do now, from
/// [`LinkSet::plan`](crate::LinkSet::plan).
///
/// It describes what was there when it was made. The kernel may still refuse any command, such as
/// attaching a program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SetPlan {
    /// The directories that would be made, from the outermost on.
    pub directories: Vec<PathBuf>,
    /// The links of the set, in the order in which they were added.
    pub links: Vec<PlannedLink>,
    /// Links that are pinned in the directory and are not in the set, such as one whose name
    /// another link would take.
    pub others: Vec<PlannedOther>,
}

/// What would be done about a link of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlannedLink {
    /// The name that it was added under.
    pub name: String,
    /// What would be done.
    pub planned: Planned,
    /// The name under which the existing link is pinned, if that is a different one.
    pub before: Option<String>,
    /// Its other names in the directory, which would be removed.
    pub unpinned: Vec<String>,
}

/// A link of the directory that is not in the set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlannedOther {
    /// The name of its pin.
    pub name: String,
    /// The link.
    pub link: LinkId,
    /// Its kind.
    pub kind: LinkKind,
    /// Whether it would be removed.
    pub is_removed: bool,
}

/// Writes a line for each link, for a log.
impl fmt::Display for SetPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for directory in &self.directories {
            writeln!(f, "make directory {}", directory.display())?;
        }
        for link in &self.links {
            writeln!(f, "{link}")?;
        }
        for link in &self.others {
            writeln!(f, "{link}")?;
        }
        Ok(())
    }
}

impl fmt::Display for PlannedLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.planned)?;
        if let Some(before) = &self.before {
            write!(f, ", which is pinned as {before}")?;
        }
        for name in &self.unpinned {
            write!(f, "; remove its pin {name}")?;
        }
        Ok(())
    }
}

impl fmt::Display for PlannedOther {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let does = if self.is_removed { "remove" } else { "leave" };
        write!(
            f,
            "{}: {does} {} link {}, which is not in the set",
            self.name, self.kind, self.link
        )
    }
}
