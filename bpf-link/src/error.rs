//! What can go wrong. Nothing that the kernel said is lost.

mod command;
mod exposure;
mod invalid_request;
mod no_jit;
mod not_supported;
mod target;
mod words;

use std::path::PathBuf;

use crate::id::{LinkId, MapId, ProgramId};
use crate::kind::{LinkKind, UpdateBy};

pub use command::{Command, CommandError};
pub use exposure::Exposure;
pub use invalid_request::InvalidRequest;
pub use target::{FirstOf, Target};

/// What the operations of this crate return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation on a link failed.
///
/// A condition that a caller acts on has a variant of its own; every other failure of the kernel's
/// is [`Error::Command`]. [`Error::errno`] gives the kernel's own number wherever the kernel was
/// asked.
///
/// The message says what was refused and what it was about; what the system answered is the
/// [`source`](std::error::Error::source), and nothing is said twice.
///
/// An operation that fails has changed nothing.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The kernel refused, for a reason that has no variant of its own.
    Command(CommandError),

    /// The caller lacks a capability, or a file's permissions or a security module forbid it
    /// (`EPERM`, `EACCES`).
    PermissionDenied(CommandError),

    /// This kernel does not have what was asked for.
    UnsupportedByKernel(CommandError),

    /// A link of this kind does not have the operation, on any kernel.
    UnsupportedByKind {
        /// The kind of the link.
        kind: LinkKind,
        /// The refused command.
        source: CommandError,
    },

    /// A link of this kind is updated with a map and a program was given, or the other way round.
    WrongObject {
        /// The kind of the link.
        kind: LinkKind,
        /// What it is updated with.
        needs: UpdateBy,
        /// The refused command.
        source: CommandError,
    },

    /// The program or map that was expected on the link is not the one it has (`EPERM` with
    /// `BPF_F_REPLACE`).
    OldProgramMismatch {
        /// The program that the link had right after the refusal; `None` where the kernel did not
        /// say.
        attached: Option<ProgramId>,
        /// The refused command.
        source: CommandError,
    },

    /// The map that the link has cannot be opened, and the caller did not pass the map that it
    /// expects there (`EPERM`; `EMFILE`: the process has no descriptor left). Without an expected
    /// map, an update could crash the kernel: see [`RawLink::update`](crate::RawLink::update).
    MapOutOfReach {
        /// The link, as the caller named it.
        link: Box<Target>,
        /// The map that the link has.
        attached: MapId,
        /// The refused command.
        source: CommandError,
    },

    /// The hook has gone, or the link was detached from it: the link lives on, but does nothing
    /// (`ENOLINK`).
    HookGone(CommandError),

    /// The hook's list of programs has changed since the expected revision was read (`ESTALE`).
    StaleRevision(CommandError),

    /// No link, program or map has this id any more, or none ever had (`ENOENT`).
    Vanished(CommandError),

    /// The link is still being attached (`EAGAIN`); it can be opened once it is.
    Unsettled(CommandError),

    /// A buffer that was lent for a name or an array is too short (`ENOSPC`, `ENAMETOOLONG`).
    BufferTooShort(CommandError),

    /// The file descriptor or the pin is not a link.
    NotALink(Target),

    /// The file descriptor or the pin is not a program.
    NotAProgram(Target),

    /// The file descriptor is not a map.
    NotAMap(Target),

    /// The path is not on a bpffs.
    NotOnBpffs {
        /// The path that was to be a pin.
        path: PathBuf,
        /// The refused command; `None` where this was found before anything was tried.
        source: Option<CommandError>,
    },

    /// A pin can be moved within one mount of a bpffs only, and the new path is on another
    /// (`EXDEV`).
    OtherMount {
        /// Where the link is pinned, and stays pinned.
        from: PathBuf,
        /// Where it was to be pinned.
        to: PathBuf,
        /// The refused command.
        source: CommandError,
    },

    /// Something already exists at the path (`EEXIST`).
    PathExists(CommandError),

    /// The path, or the directory it is to be made in, does not exist (`ENOENT`).
    PathNotFound(CommandError),

    /// The name has a dot in it, which a bpffs does not allow.
    PinName {
        /// The path that was to be a pin.
        path: PathBuf,
        /// The refused command; `None` where this was found before anything was tried.
        source: Option<CommandError>,
    },

    /// Another process held the lock of the pin's directory during the whole wait (`EWOULDBLOCK`).
    LockHeld {
        /// The path of the pin.
        path: PathBuf,
        /// The process that holds it; `None` if `/proc/locks` does not show it.
        holder: Option<u32>,
        /// The refused command.
        source: CommandError,
    },

    /// Another user can change what is pinned, or where the path of the pin leads to.
    Exposed {
        /// The directory, symbolic link or pin that the other user can change.
        path: PathBuf,
        /// How.
        how: Exposure,
    },

    /// The path has a NUL byte in it.
    PathHasNul {
        /// The path as it was given.
        path: PathBuf,
    },

    /// Something else is now at the path at which this link was pinned. It was left alone.
    PinReplaced {
        /// The path at which this link was pinned.
        path: PathBuf,
    },

    /// Two arrays of a request must have the same length, and do not.
    LengthMismatch {
        /// The array at fault, named as the kernel names it.
        what: &'static str,
        /// What the request was about: the link, the functions or the places in a file.
        of: Box<Target>,
        /// How many entries it should have.
        expected: usize,
        /// How many it has.
        found: usize,
    },

    /// A request that the kernel would misread or quietly ignore; it was not sent.
    InvalidRequest(InvalidRequest),
}

/// The failed command that an error has, borrowed as the error is.
macro_rules! command_of {
    ($error:expr) => {
        match $error {
            Error::Command(error)
            | Error::PermissionDenied(error)
            | Error::UnsupportedByKernel(error)
            | Error::HookGone(error)
            | Error::StaleRevision(error)
            | Error::Vanished(error)
            | Error::Unsettled(error)
            | Error::BufferTooShort(error)
            | Error::PathExists(error)
            | Error::PathNotFound(error) => Some(error),
            Error::UnsupportedByKind { source, .. }
            | Error::WrongObject { source, .. }
            | Error::OldProgramMismatch { source, .. }
            | Error::MapOutOfReach { source, .. }
            | Error::OtherMount { source, .. }
            | Error::LockHeld { source, .. } => Some(source),
            Error::NotOnBpffs { source, .. } | Error::PinName { source, .. } => source.into(),
            Error::NotALink(_)
            | Error::NotAProgram(_)
            | Error::NotAMap(_)
            | Error::PathHasNul { .. }
            | Error::Exposed { .. }
            | Error::PinReplaced { .. }
            | Error::LengthMismatch { .. }
            | Error::InvalidRequest(_) => None,
        }
    };
}

impl From<InvalidRequest> for Error {
    fn from(request: InvalidRequest) -> Self {
        Self::InvalidRequest(request)
    }
}

/// Refuses an array that does not have one entry for each of `expected`.
pub(crate) fn same_length(
    what: &'static str,
    expected: usize,
    found: usize,
    of: impl FnOnce() -> Target,
) -> Result<()> {
    if expected == found {
        Ok(())
    } else {
        Err(Error::LengthMismatch {
            what,
            of: Box::new(of()),
            expected,
            found,
        })
    }
}

impl Error {
    /// The kernel's error number, wherever the kernel was asked; `None` where it was not.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        self.command_error().and_then(CommandError::errno)
    }

    /// The command that failed, on what and why; `None` where the kernel was not asked.
    #[must_use]
    pub fn command_error(&self) -> Option<&CommandError> {
        command_of!(self)
    }

    /// The link that the command was about, if that is known by its id.
    #[must_use]
    pub fn link(&self) -> Option<LinkId> {
        match self.command_error()?.target() {
            Target::Link(id) => Some(*id),
            Target::Pin { link, .. } => *link,
            Target::Anchor { anchor, .. } => match **anchor {
                Target::Link(id) => Some(id),
                _ => None,
            },
            _ => None,
        }
    }

    /// The same error, naming what the caller named. For crates on top of this one that take names
    /// and paths and open them: this crate knows only what the kernel was given.
    ///
    /// The target of the command becomes `target`. If it is a [`Target::Hook`], only the hook's
    /// owner is replaced, and likewise for the hook of an anchor or of a request that was not sent.
    /// If two arrays differ in length, `of` is replaced. An error about something else stays as it
    /// is.
    #[must_use]
    pub fn naming(mut self, target: Target) -> Self {
        let renamed = match &mut self {
            Self::InvalidRequest(request) => request.target_mut(),
            Self::NotALink(given) => Some(given),
            Self::LengthMismatch { of, .. } => {
                **of = target;
                return self;
            }
            error => {
                let error: Option<&mut CommandError> = command_of!(error);
                error.map(CommandError::target_mut)
            }
        };
        if let Some(renamed) = renamed {
            renamed.replace_with(|given| given.named(target));
        }
        self
    }

    /// The same error, which says that its target was to be the anchor on this hook.
    pub(crate) fn about_the_anchor_on(mut self, hook: Target) -> Self {
        let error: Option<&mut CommandError> = command_of!(&mut self);
        if let Some(error) = error {
            error
                .target_mut()
                .replace_with(|anchor| anchor.into_anchor_on(hook));
        }
        self
    }
}

impl std::error::Error for Error {
    /// What the system answered; the command and its target are in the message.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.command_error().and_then(std::error::Error::source)
    }
}

impl CommandError {
    /// The variant that fits wherever the command does not matter.
    pub(crate) fn classify(self) -> Error {
        match self.errno() {
            Some(libc::EPERM | libc::EACCES) => Error::PermissionDenied(self),
            _ => Error::Command(self),
        }
    }

    /// The variant that fits where an object was asked for by its id.
    pub(crate) fn classify_by_id(self) -> Error {
        match self.errno() {
            Some(libc::ENOENT) => Error::Vanished(self),
            _ => self.classify(),
        }
    }
}
