//! Requests that are not sent.

use std::ffi::CString;

use super::target::Target;
use crate::kind::LinkKind;

/// A request that the kernel would misread, or take in part and ignore the rest of; so it was not
/// sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRequest {
    /// The arguments of one kind with an attach type that makes the kernel read them as another's.
    #[error("{hook} does not take the arguments of {arguments}")]
    Arguments {
        /// The hook that the link was for.
        hook: Box<Target>,
        /// Whose arguments were given, named as in the kernel's `link_create`.
        arguments: &'static str,
    },
    /// An anchor is a link of another kind than the one that is created; some kernels crash on it.
    #[error("{anchor}, of kind {found}, cannot be an anchor on {hook}")]
    Anchor {
        /// The anchor.
        anchor: Box<Target>,
        /// The hook that the new link was for.
        hook: Box<Target>,
        /// The kind of the anchor.
        found: LinkKind,
    },
    /// The flags have a bit that says what the number of an anchor means (`BPF_F_LINK`,
    /// `BPF_F_ID`). The anchor sets those itself; set by hand, some kernels crash on what they take
    /// the anchor for.
    #[error("the flags for a link on {0} must not describe its anchor: the anchor says what it is")]
    AnchorFlags(Box<Target>),
    /// A session runs on entry and return; the return flag would leave out the entry.
    #[error("a session on {0} cannot be a return probe as well")]
    SessionReturn(Box<Target>),
    /// A tracepoint's name is longer than the 127 bytes that the kernel reads of it.
    #[error("the tracepoint name {name:?} is longer than 127 bytes")]
    TracepointName {
        /// The name.
        name: CString,
    },
    /// The name of a function to probe, or of a file, is empty: the kernel would take the offset of
    /// a kprobe for an address. With what was to be probed.
    #[error("{0} cannot be probed: a name is empty")]
    EmptyName(Box<Target>),
    /// A name has a NUL in it, and the kernel would read what comes before.
    #[error("the name \"{}\" has a NUL in it", name.escape_ascii())]
    NameHasNul {
        /// The name.
        name: Box<[u8]>,
    },
    /// An update was to replace only what is expected on the link, and nothing was said to be
    /// expected. The kernel would take the program or map with descriptor 0 for it.
    #[error(
        "to update {link} with BPF_F_REPLACE, pass the program or map that you expect it to have"
    )]
    NothingExpected {
        /// The link, as the caller named it.
        link: Box<Target>,
    },
    /// The buffers are for a link of another kind.
    #[error("these buffers are not for {link}, which is of kind {kind}")]
    Buffers {
        /// The link.
        link: Box<Target>,
        /// Its kind.
        kind: LinkKind,
    },
    /// A kernel was to be asked for a kind that this release does not know.
    #[error("this release cannot probe for links of kind {0}")]
    Probe(LinkKind),
}

impl InvalidRequest {
    /// The hook that it was about, or what was to be probed.
    pub(super) fn target_mut(&mut self) -> Option<&mut Target> {
        match self {
            Self::Arguments { hook, .. }
            | Self::Anchor { hook, .. }
            | Self::AnchorFlags(hook)
            | Self::SessionReturn(hook) => Some(hook),
            Self::EmptyName(probed) => Some(probed),
            _ => None,
        }
    }
}
