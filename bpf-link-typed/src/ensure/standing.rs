//! What has become of the link and pin that a run left.

use std::fmt;

use bpf_link::LinkId;

use crate::ensure::outcome::Attached;

/// What has become of the link and pin that a run left:
/// [`Ensured::standing`](crate::Ensured::standing).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Standing {
    /// Everything is as the run left it: its pin, its link, its program.
    Ours,
    /// The link runs the same program, but another run has given it a new pin: it belongs to that
    /// run now.
    PinnedAnew {
        /// What is attached.
        attached: Attached,
    },
    /// Another program runs there, by the same link or another.
    Overtaken {
        /// The link that is pinned.
        link: LinkId,
        /// What is attached by it; `None` if it was detached.
        by: Option<Attached>,
    },
    /// What is pinned there is not a link of this kind.
    NotSuchALink,
    /// Nothing is pinned there.
    NotPinned,
}

/// What [`Ensured::stop`](crate::Ensured::stop) and [`Link::stop`](crate::Link::stop) have done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stopped {
    /// The pin was removed and the link detached. If its kind cannot be detached, it ends when its
    /// last holder closes it.
    LetGo,
    /// It is not ours, or no longer ours, and was left as it is.
    Left(Standing),
}

/// Writes it in a few words, for a log.
impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ours => f.write_str("it is ours"),
            Self::PinnedAnew { attached } => write!(f, "{attached} was pinned anew"),
            Self::Overtaken { link, by: Some(by) } => {
                write!(f, "{by} has taken over, by link {link}")
            }
            Self::Overtaken { link, by: None } => {
                write!(f, "link {link}, which was detached, is pinned")
            }
            Self::NotSuchALink => f.write_str("something else is pinned"),
            Self::NotPinned => f.write_str("nothing is pinned"),
        }
    }
}

/// Writes it in a few words, for a log.
impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LetGo => f.write_str("let go of"),
            Self::Left(standing) => write!(f, "left as it is: {standing}"),
        }
    }
}
