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
    /// The link was there, and was updated in place: each event is seen by one of the two programs.
    Updated {
        /// What was attached before.
        previous: Attached,
    },
    /// The link was there, and already ran this program. It has a new pin, by which the earlier run
    /// can tell that this one took over.
    AlreadyRunning,
    /// A new link took the place of the one that was pinned.
    Replaced {
        /// Why it was not kept.
        why: Why,
        /// What the old link had attached; `None` if no link was pinned.
        previous: Option<Attached>,
        /// Whether the hook had neither program for a moment, as it takes only one. Without a gap,
        /// both were attached for a moment.
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
    /// It ran this program, but the kernel does not report all of its options, so they may have
    /// been others: see [`Ensure::keep_unreported`](crate::Ensure::keep_unreported).
    NotReported,
    /// It was no longer in the position that was asked for: see
    /// [`Ensure::restore_position`](crate::Ensure::restore_position).
    OutOfPlace,
    /// Links of this kind, or with this type of program, cannot be updated.
    NotUpdatable,
    /// What was pinned was not a link, or a link of another kind, and the caller allowed replacing
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
    /// There was no old link: what was pinned was not a link.
    None,
    /// It has gone, or was detached: its program no longer runs there.
    ///
    /// There is one exception, for kinds that cannot be detached. The kernel removes a link's id
    /// before it detaches the program. If our descriptor was the last one, both are done when we
    /// look. But the last one may be closed between our close and our look, by another process or
    /// by a kernel that releases removed pins late (Linux 5.10, 6.16). Then the program may run a
    /// little longer.
    Gone,
    /// Its kind cannot be detached. Its pin was replaced and our descriptor closed, so it is gone
    /// at once, unless another process or another pin holds it. That was not checked:
    /// [`Ensure::wait_for_old`](crate::Ensure::wait_for_old) checks it.
    Released(LinkId),
    /// The same, and it was still there at the end of the wait, so its program may still run.
    /// Usually another process or another pin holds it. A kernel that releases links late, as Linux
    /// 5.10 does under load, may still be about to release it.
    Held(LinkId),
    /// Its pin is gone, but its program may still run. Either the kernel refused to detach the
    /// link, or the link could not be looked up by its id, which takes `CAP_SYS_ADMIN`.
    Unknown(LinkId),
}

/// What a killed run had left beside the pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LeftOver {
    /// A link that was meant to replace the pinned one, and now has.
    Finished,
    /// A link that was removed, as the pinned one was the right one.
    Removed,
    /// A second pin of the pinned link, which was removed.
    Unpinned,
}

/// A link that had to make way for another one that was there already: see
/// [`Ensured::displaced`](crate::Ensured::displaced).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Displaced {
    /// The link.
    pub link: LinkId,
    /// What it had attached; `None` if it was detached before.
    pub previous: Option<Attached>,
    /// What became of it.
    pub old_link: OldLink,
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
            Self::OutOfPlace => "it was no longer in its position",
            Self::NotUpdatable => "such links cannot be updated",
            Self::NotSuchALink => "it was something else",
        })
    }
}

/// Writes what was done in a few words, for a log.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Created => f.write_str("created"),
            Self::Updated { previous } => write!(f, "updated, replacing {previous}"),
            Self::AlreadyRunning => f.write_str("already running"),
            Self::Replaced {
                why,
                previous,
                gap,
                old_link,
            } => {
                let gap = if *gap { "with" } else { "without" };
                write!(f, "replaced {gap} a gap, because {why}")?;
                if let Some(previous) = previous {
                    write!(f, "; {previous} was attached before")?;
                }
                match old_link {
                    OldLink::None | OldLink::Gone | OldLink::Released(_) => Ok(()),
                    OldLink::Held(link) => write!(f, "; link {link} is still held"),
                    OldLink::Unknown(link) => write!(f, "; link {link} may still be attached"),
                }
            }
        }
    }
}
