//! What a takeover did.

use std::fmt;
use std::os::fd::AsFd;

use bpf_link::{LinkId, LinkInfo, MapId, ProgramId, RawLink, Update};

/// What was done about a program, a hook and a pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Outcome {
    /// There was no link, and one was made.
    Created,
    /// The link was there, and was updated in place: every event is seen by the one or the other
    /// program.
    Updated {
        /// What was attached before.
        previous: Attached,
    },
    /// The link was there, and ran this program. It was pinned anew, which tells this run from the
    /// one before.
    AlreadyRunning,
    /// Another link took the place of the one that was pinned.
    Replaced {
        /// Why it was not kept.
        why: Why,
        /// What was attached by it; `None` if no link was pinned.
        previous: Option<Attached>,
        /// Whether the hook was without either program for a moment, as it takes only one. Without
        /// a gap both were attached for a moment.
        gap: bool,
        /// What became of the link that was pinned.
        old_link: OldLink,
    },
}

/// Why a link was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Why {
    /// Its hook had gone, or it had been detached.
    HookGone,
    /// It was on another hook.
    OtherHook,
    /// A netfilter link was not attached here: it had been detached, or is in another network
    /// namespace. The kernel does not tell which.
    NotHere,
    /// It had other options; for xdp, another mode.
    OtherOptions,
    /// It ran this program, but the kernel does not report all options of such a link, so that it
    /// may have had others: see [`Ensure::keep_unreported`](crate::Ensure::keep_unreported).
    NotReported,
    /// It was not in the position that was asked for any more: see
    /// [`Ensure::restore_position`](crate::Ensure::restore_position).
    OutOfPlace,
    /// Links of this kind, or of this sort of program, are not updated.
    NotUpdatable,
    /// What was pinned was no link, or one of another kind, and the caller had allowed to replace
    /// it.
    NotSuchALink,
}

/// What became of the link that was pinned before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum OldLink {
    /// No link was there: what was pinned was not a link.
    None,
    /// It has gone, or has been detached: its program does not run there any more.
    ///
    /// There is one exception, for kinds that cannot be detached. The kernel removes a link's id
    /// first, and takes the program off after that. Where our descriptor is the last to be closed,
    /// both are over when we look. But somebody else who holds the link, or a kernel that lets go
    /// of removed pins late (Linux 5.10, 6.16), may close it in the moment between our close and
    /// our look: then the program may run a little longer.
    Gone,
    /// It is not of a kind that can be detached. Its pin was replaced and our descriptor closed, so
    /// that it goes with the last that holds it: at once, unless another process or another pin
    /// does. Nobody has looked; [`Ensure::wait_for_old`](crate::Ensure::wait_for_old) does.
    Released(LinkId),
    /// The same, and it was still there when the time to wait was over, so that its program may
    /// still run. As a rule somebody else holds it: another process, or another pin. A kernel that
    /// takes links off late, as Linux 5.10 does on a machine that is short of time, may still come
    /// to it.
    Held(LinkId),
    /// The same, and whether somebody else holds it could not be found out: the caller lacks
    /// `CAP_SYS_ADMIN`.
    Unknown(LinkId),
}

/// What a run had left beside the pin when it was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LeftOver {
    /// A link that took the place of the pinned one, as it was to.
    Finished,
    /// A link that was removed, as the pinned one was good.
    Removed,
    /// A second pin of the pinned link, which was removed.
    Unpinned,
}

/// What is attached by a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Attached {
    /// A program.
    Program(ProgramId),
    /// A map with callbacks (`struct_ops`).
    Map(MapId),
}

impl Attached {
    /// What a link of any kind has; `None` if it was detached, or the kernel does not say.
    pub(crate) fn of(link: &RawLink) -> bpf_link::Result<Option<Self>> {
        Ok(Self::by(&link.info()?))
    }

    /// The update that puts it on a link; the object is the program or map.
    pub(crate) fn update(self, object: &(impl AsFd + ?Sized)) -> Update<'_> {
        match self {
            Self::Program(_) => Update::program(object),
            Self::Map(_) => Update::map(object),
        }
    }

    /// What the link has that this info is of.
    pub(crate) fn by(info: &LinkInfo) -> Option<Self> {
        let map = info.struct_ops_map().map(Self::Map);
        map.or_else(|| info.program_id().map(Self::Program))
    }
}

impl fmt::Display for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program(id) => write!(f, "program {id}"),
            Self::Map(id) => write!(f, "map {id}"),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HookGone => "its hook had gone",
            Self::OtherHook => "it was on another hook",
            Self::NotHere => "it was not attached here",
            Self::OtherOptions => "it had other options",
            Self::NotReported => "the kernel does not report all of its options",
            Self::OutOfPlace => "it was out of its place",
            Self::NotUpdatable => "it is not updated",
            Self::NotSuchALink => "it was no such link",
        })
    }
}

/// Writes what was done in a few words, for a log.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Created => f.write_str("created"),
            Self::Updated { previous } => write!(f, "updated, instead of {previous}"),
            Self::AlreadyRunning => f.write_str("already running"),
            Self::Replaced { why, gap, .. } => {
                let gap = if *gap { "with" } else { "without" };
                write!(f, "replaced {gap} a gap, as {why}")
            }
        }
    }
}
