//! What a run would do, in words.

use std::fmt;
use std::path::PathBuf;

use bpf_link::LinkId;

use crate::ensure::outcome::{Attached, LeftOver, Why};

/// What [`Ensure::run`](crate::Ensure::run) would do now: [`Ensure::plan`](crate::Ensure::plan).
///
/// It describes what was seen when it was made. Only the commands themselves show whether the
/// kernel accepts the program.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// The directories that would be created, the outermost first.
    pub directories: Vec<PathBuf>,
    /// What would become of a link that a killed run left beside the pin.
    pub left_over: Option<LeftOver>,
    /// What would be done then.
    pub planned: Planned,
}

/// What would be done about a program, a hook and a pin.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Planned {
    /// A link would be attached and pinned.
    Create,
    /// The link already runs this program. It would only get a new pin.
    Keep {
        /// The link.
        link: LinkId,
    },
    /// The link would be updated in place. If the kernel does not put this program on this link
    /// (`EINVAL`, `EOPNOTSUPP`: one with an attach type on an xdp link without, `struct_ops` of
    /// another name), it would be replaced instead.
    Update {
        /// The link.
        link: LinkId,
        /// What is attached by it now. `None` if it was detached at that moment.
        previous: Option<Attached>,
    },
    /// A new link would take the place of what is pinned.
    Replace {
        /// The link that is pinned, of any kind; `None` if it is not a link.
        link: Option<LinkId>,
        /// Why it would not be kept.
        why: Why,
        /// What is attached by it now.
        previous: Option<Attached>,
        /// Whether the hook would have neither program for a moment.
        gap: Gap,
    },
    /// A link of ours that is on the hook without this pin would be pinned, and then treated like
    /// this.
    TakeOver {
        /// The link.
        link: LinkId,
        /// What would be done with it.
        then: Box<Planned>,
    },
    /// Links of ours that are on the hook without this pin would be reported as
    /// [`Error::OursFound`](crate::Error::OursFound).
    ReportOurs {
        /// The links.
        links: Vec<LinkId>,
    },
    /// Only an attempt to attach can tell whether the hook is free (xdp, netfilter), so one would
    /// be made.
    Attempt {
        /// What it would come to if the hook is free.
        if_free: Box<Planned>,
        /// What would be done if the hook is taken.
        if_taken: Box<Planned>,
    },
}

impl Planned {
    /// Whether the program would be put on a link, new or old.
    pub(crate) fn attaches(&self) -> bool {
        match self {
            Self::Keep { .. } | Self::ReportOurs { .. } => false,
            Self::TakeOver { then, .. } => then.attaches(),
            Self::Create | Self::Update { .. } | Self::Replace { .. } | Self::Attempt { .. } => {
                true
            }
        }
    }
}

/// Whether a hook would be without a program for a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Gap {
    /// No: both programs would be attached for a moment.
    No,
    /// Only if the kernel does not attach the new one beside the old one, which only an attempt
    /// shows.
    IfRefused,
    /// Yes: the hook takes only one of them.
    Yes,
}

/// Writes in one line what would be done, for a log.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for directory in &self.directories {
            write!(f, "make directory {}; ", directory.display())?;
        }
        match self.left_over {
            None => {}
            Some(LeftOver::Finished) => f.write_str("pin the link that a killed run left; ")?,
            Some(LeftOver::Unpinned) => {
                f.write_str("remove the second pin that a killed run left; ")?;
            }
            Some(LeftOver::Removed) => {
                f.write_str("remove the link that a killed run left; ")?;
            }
        }
        fmt::Display::fmt(&self.planned, f)
    }
}

/// Writes in a few words what would be done, for a log.
impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create => f.write_str("create a link"),
            Self::Keep { link } => write!(f, "keep link {link}, which already runs the program"),
            Self::Update { link, previous } => {
                write!(f, "update link {link}")?;
                previous.map_or(Ok(()), |previous| write!(f, ", replacing {previous}"))
            }
            Self::Replace { link, why, gap, .. } => {
                match link {
                    Some(link) => write!(f, "replace link {link}")?,
                    None => f.write_str("replace what is pinned")?,
                }
                write!(f, " {gap}, because {}", Reason(*why))
            }
            Self::TakeOver { link, then } => write!(f, "pin link {link}, which is ours; {then}"),
            Self::ReportOurs { links } => {
                f.write_str("report the links that are ours:")?;
                for (index, link) in links.iter().enumerate() {
                    write!(f, "{} {link}", if index == 0 { "" } else { "," })?;
                }
                Ok(())
            }
            Self::Attempt { if_free, if_taken } => write!(
                f,
                "try to attach, as there is no other way to tell; if the hook is free, {if_free}; if it is taken, {if_taken}"
            ),
        }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::No => "without a gap",
            Self::IfRefused => "without a gap if the hook takes both programs",
            Self::Yes => "with a gap",
        })
    }
}

/// Why it is replaced, while it is still there.
struct Reason(Why);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Why::HookGone => "its hook has gone",
            Why::OtherHook => "it is on another hook",
            Why::NotHere => "it is not attached here",
            Why::OtherOptions => "it has other options",
            Why::NotReported => "the kernel does not report all of its options",
            Why::OutOfPlace => "it is no longer in its position",
            Why::NotUpdatable => "such links cannot be updated",
            Why::NotSuchALink => "it is something else",
        })
    }
}
