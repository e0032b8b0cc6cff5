//! What can go wrong, with nothing of what the layer below says lost.

use std::ffi::CString;
use std::fmt;
use std::io;
use std::path::PathBuf;

use bpf_link::{AttachType, CommandError, LinkId, LinkKind};

use crate::attach::interface::Interface;

/// What the operations of this crate return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation on a link of a known kind failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An operation that all links have in common failed, or is not one that this kind of link has
    /// ([`bpf_link::Error::UnsupportedByKind`]).
    #[error(transparent)]
    Link(#[from] bpf_link::Error),

    /// The link is of another kind than was asked for.
    #[error("a {found} link is not {}", Expected(*expected))]
    WrongKind {
        /// The kind that was asked for; `None` for one that this release does not know.
        expected: Option<LinkKind>,
        /// The kind of the link.
        found: LinkKind,
    },

    /// The bytes end before what every kernel reports, so they are not the whole of an info.
    #[error("{len} bytes are not the whole info of a link")]
    ShortInfo {
        /// How many bytes there are.
        len: usize,
    },

    /// There is no such network device in the network namespace of the calling thread.
    #[error("there is no interface {interface}")]
    NoSuchInterface {
        /// The device that was asked for.
        interface: Interface,
        /// What the kernel answered.
        source: bpf_link::Error,
    },

    /// The hook takes one program, or no more than it has.
    #[error("the hook is taken by another program")]
    HookTaken(#[source] bpf_link::Error),

    /// Something is on this netfilter hook with this priority already, perhaps not a program.
    #[error("priority {priority} is taken on this hook")]
    PriorityTaken {
        /// The priority that was asked for.
        priority: i32,
        /// What the kernel answered.
        source: bpf_link::Error,
    },

    /// This program is on this hook already.
    #[error("the program is on this hook already")]
    AlreadyAttached(#[source] bpf_link::Error),

    /// The link or program that the new link was to be placed next to is not on this hook, or does not exist.
    #[error("the anchor is not on this hook")]
    AnchorNotOnHook(#[source] bpf_link::Error),

    /// The program was loaded for something else than this attach type.
    #[error("the program does not fit attach type {attach_type}")]
    AttachTypeMismatch {
        /// The attach type that the program was to be attached to.
        attach_type: AttachType,
        /// What the kernel answered.
        source: bpf_link::Error,
    },

    /// The kernel cannot trace all of the functions that were asked for, so none of them is traced.
    #[error("{symbols}")]
    SymbolNotFound {
        /// Which they are.
        symbols: Box<UntraceableSymbols>,
        /// What the kernel answered.
        source: bpf_link::Error,
    },

    /// The kernel has no such tracepoint, or its module is not loaded.
    #[error("there is no tracepoint {tracepoint}")]
    NoSuchTracepoint {
        /// The tracepoint that was asked for.
        tracepoint: String,
        /// How that was found: the kernel's answer, or what was not found in tracefs.
        source: Box<Error>,
    },

    /// The kernel has no perf events of this sort, such as `kprobe` or `uprobe`.
    #[error("this kernel has no perf events of {name}s")]
    NoEventSource {
        /// The sort.
        name: &'static str,
        /// What was not found in sysfs.
        source: io::Error,
    },

    /// What is pinned at the path is no link of the kind, and was left alone:
    /// [`Ensure::replace_other`](crate::Ensure::replace_other) allows to replace it.
    #[error("{} is taken by {}", path.display(), Taken(*found))]
    PinTaken {
        /// The path of the pin, or of the one beside it that takes its place.
        path: PathBuf,
        /// The kind of link that is pinned there; `None` if it is no link.
        found: Option<LinkKind>,
    },

    /// Links of ours are on the hook, though they are not pinned at the path. Nothing was changed: the caller has asked to be
    /// told, or there is more than one.
    #[error("links of ours are on the hook already: {}", Ids(links))]
    OursFound {
        /// Their ids.
        links: Vec<LinkId>,
    },

    /// Somebody else, who does not take the lock, changed the pin or its link whenever it was looked at.
    #[error("somebody else was faster, and has left {} at {}", OrNothing(*left), path.display())]
    Overtaken {
        /// The path of the pin.
        path: PathBuf,
        /// The link that is pinned there now; `None` if there is none.
        left: Option<LinkId>,
    },

    /// The hook takes only one program, and the new one could not be attached after the old one was taken off. The old program
    /// was put back, and is pinned again; the hook was without it for a moment.
    #[error("the new program could not be attached, and the old one was put back")]
    OldProgramPutBack {
        /// The link that the old program has now.
        link: LinkId,
        /// Why the new one could not be attached.
        source: Box<Error>,
    },

    /// The same, but the old program could not be put back either: the hook is without a program.
    #[error("the new program could not be attached, and the old one could not be put back{}", Because(put_back.as_deref()))]
    OldProgramLost {
        /// Why the new one could not be attached.
        source: Box<Error>,
        /// Why the old one could not be put back. `None` if it could not be kept from the beginning, as that takes
        /// `CAP_SYS_ADMIN`.
        put_back: Option<Box<Error>>,
    },

    /// The hook takes only one program, links of this kind cannot be detached, and five seconds after its pin was removed the
    /// old one was still there: as a rule because somebody else holds it. It is pinned as it was.
    #[error("link {link} is in the way, and has not gone")]
    OldLinkHeld {
        /// The old link.
        link: LinkId,
        /// Why the new program could not be attached.
        source: Box<Error>,
    },

    /// A directory for the pin could not be made.
    #[error("the directory {} could not be made", path.display())]
    CreateDirectory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },

    /// A file that was to be attached to, or that says how to attach, could not be opened or read.
    #[error("{} could not be read", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Error {
    /// The kernel's error number, wherever the kernel was asked; `None` where it was not.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::NoEventSource { source, .. }
            | Self::CreateDirectory { source, .. }
            | Self::File { source, .. } => source.raw_os_error(),
            Self::NoSuchTracepoint { source, .. }
            | Self::OldProgramPutBack { source, .. }
            | Self::OldProgramLost { source, .. }
            | Self::OldLinkHeld { source, .. } => source.errno(),
            _ => self.command_error().and_then(CommandError::errno),
        }
    }

    /// The command that failed, on what and why; `None` where no command on links failed.
    #[must_use]
    pub fn command_error(&self) -> Option<&CommandError> {
        match self {
            Self::Link(error) => error.command_error(),
            Self::NoSuchInterface { source, .. }
            | Self::HookTaken(source)
            | Self::PriorityTaken { source, .. }
            | Self::AlreadyAttached(source)
            | Self::AnchorNotOnHook(source)
            | Self::AttachTypeMismatch { source, .. }
            | Self::SymbolNotFound { source, .. } => source.command_error(),
            Self::NoSuchTracepoint { source, .. }
            | Self::OldProgramPutBack { source, .. }
            | Self::OldProgramLost { source, .. }
            | Self::OldLinkHeld { source, .. } => source.command_error(),
            Self::WrongKind { .. }
            | Self::ShortInfo { .. }
            | Self::PinTaken { .. }
            | Self::OursFound { .. }
            | Self::Overtaken { .. }
            | Self::CreateDirectory { .. }
            | Self::NoEventSource { .. }
            | Self::File { .. } => None,
        }
    }
}

/// The kind that was asked for, in words.
struct Expected(Option<LinkKind>);

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(kind) => write!(f, "a {kind} link"),
            None => f.write_str("of a kind without a type of its own"),
        }
    }
}

/// What is pinned instead, in words.
struct Taken(Option<LinkKind>);

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(kind) => write!(f, "a {kind} link"),
            None => f.write_str("something that is no link"),
        }
    }
}

struct Ids<'a>(&'a [LinkId]);

impl fmt::Display for Ids<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, id) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{id}")?;
        }
        Ok(())
    }
}

struct OrNothing(Option<LinkId>);

impl fmt::Display for OrNothing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(id) => write!(f, "link {id}"),
            None => f.write_str("nothing"),
        }
    }
}

struct Because<'a>(Option<&'a Error>);

impl fmt::Display for Because<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(error) => write!(f, " ({error})"),
            None => Ok(()),
        }
    }
}

/// The functions, of those that were asked for, that keep all of them from being traced. Both lists are empty if it could
/// not be found out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UntraceableSymbols {
    /// Those that the kernel has no function for, or none that it can trace.
    pub unknown: Vec<CString>,
    /// Those that were given more than once.
    pub duplicate: Vec<CString>,
}

impl fmt::Display for UntraceableSymbols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { unknown, duplicate } = self;
        if unknown.is_empty() && duplicate.is_empty() {
            return f.write_str("the kernel cannot trace all of the functions");
        }
        let mut separator = "";
        for (list, problem) in [
            (unknown, "the kernel has no function to trace called"),
            (duplicate, "given more than once:"),
        ] {
            if list.is_empty() {
                continue;
            }
            write!(f, "{separator}{problem}")?;
            separator = "; ";
            for (index, name) in list.iter().enumerate() {
                let comma = if index == 0 { "" } else { "," };
                write!(f, "{comma} {}", name.to_string_lossy())?;
            }
        }
        Ok(())
    }
}

/// A conversion that was refused, with the value that was to be converted.
#[derive(Debug)]
pub struct Rejected<T> {
    input: T,
    /// Elsewhere in memory, as it is rare, and larger than a link.
    error: Box<Error>,
}

impl<T> Rejected<T> {
    pub(crate) fn new(input: T, error: Error) -> Self {
        Self {
            input,
            error: Box::new(error),
        }
    }

    /// The link is of another kind than was asked for.
    pub(crate) fn wrong_kind(link: T, expected: Option<LinkKind>, found: LinkKind) -> Self {
        Self::new(link, Error::WrongKind { expected, found })
    }

    /// The same refusal, of what the value was made of.
    pub(crate) fn map<U>(self, back: impl FnOnce(T) -> U) -> Rejected<U> {
        Rejected {
            input: back(self.input),
            error: self.error,
        }
    }

    /// Why it was refused.
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// The value that was to be converted.
    pub fn into_input(self) -> T {
        self.input
    }

    /// The value, and why it was refused.
    pub fn into_parts(self) -> (T, Error) {
        (self.input, *self.error)
    }
}

impl<T> From<bpf_link::Rejected<T>> for Rejected<T> {
    fn from(rejected: bpf_link::Rejected<T>) -> Self {
        let (input, error) = rejected.into_parts();
        Self::new(input, error.into())
    }
}

impl<T> From<Rejected<T>> for Error {
    fn from(rejected: Rejected<T>) -> Self {
        *rejected.error
    }
}

impl<T> fmt::Display for Rejected<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}

impl<T: fmt::Debug> std::error::Error for Rejected<T> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_symbols_are_named() {
        let [a, b, c] = [c"a", c"b", c"c"].map(ToOwned::to_owned);
        let symbols = UntraceableSymbols {
            unknown: vec![a, b],
            duplicate: vec![c],
        };
        assert_eq!(
            symbols.to_string(),
            "the kernel has no function to trace called a, b; given more than once: c"
        );
        assert_eq!(
            UntraceableSymbols::default().to_string(),
            "the kernel cannot trace all of the functions"
        );
    }

    #[test]
    fn the_kinds_are_named() {
        let wrong = |expected| Error::WrongKind {
            expected,
            found: LinkKind::Unknown(99),
        };
        assert_eq!(
            wrong(Some(LinkKind::Xdp)).to_string(),
            "a 99 link is not a xdp link"
        );
        assert_eq!(
            wrong(None).to_string(),
            "a 99 link is not of a kind without a type of its own"
        );
    }
}
