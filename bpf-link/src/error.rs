//! What can go wrong, with nothing of what the kernel said lost.

use std::ffi::CString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::attach_type::AttachType;
use crate::id::{BtfId, LinkId, MapId, ProgramId};
use crate::kind::{LinkKind, UpdateBy};

/// What the operations of this crate return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation on a link failed.
///
/// A condition that a caller acts on has a variant of its own; every other failure of the kernel's is
/// [`Error::Command`]. [`Error::errno`] gives the kernel's own number wherever the kernel was asked.
/// An operation that fails has changed nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernel refused, for a reason that has no variant of its own.
    #[error(transparent)]
    Command(CommandError),

    /// The caller lacks a capability, or a file's permissions or a security module are against it (`EPERM`, `EACCES`).
    #[error("permission denied for {}", .0.target())]
    PermissionDenied(#[source] CommandError),

    /// This kernel does not have what was asked for.
    #[error("this kernel does not support {} on {}", .0.command(), .0.target())]
    UnsupportedByKernel(#[source] CommandError),

    /// A link of this kind does not have the operation, on any kernel.
    #[error("{kind} links do not support {}", source.command())]
    UnsupportedByKind {
        /// The kind of the link.
        kind: LinkKind,
        /// The refused command.
        source: CommandError,
    },

    /// A link of this kind is updated by a map where a program was given, or the other way round.
    #[error("{kind} links are updated by a {}", match needs { UpdateBy::Program => "program", UpdateBy::Map => "map" })]
    WrongObject {
        /// The kind of the link.
        kind: LinkKind,
        /// What it is updated by.
        needs: UpdateBy,
        /// The refused command.
        source: CommandError,
    },

    /// The program or map that was expected on the link is not the one it has (`EPERM` with `BPF_F_REPLACE`).
    #[error("{} does not have the program or map that was expected on it", source.target())]
    OldProgramMismatch {
        /// The program that the link had right after the refusal; `None` where the kernel did not say.
        attached: Option<ProgramId>,
        /// The refused command.
        source: CommandError,
    },

    /// The hook has gone, or the link was detached from it: the link lives on, but does nothing (`ENOLINK`).
    #[error("the hook of {} has gone", .0.target())]
    HookGone(#[source] CommandError),

    /// The hook's list of programs has changed since the expected revision was read (`ESTALE`).
    #[error("the programs of {} have changed since the expected revision", .0.target())]
    StaleRevision(#[source] CommandError),

    /// No link, program or map has this id any more, or none ever had (`ENOENT`).
    #[error("{} has vanished", .0.target())]
    Vanished(#[source] CommandError),

    /// The link is still being attached (`EAGAIN`); it can be opened once it is.
    #[error("{} is still being attached", .0.target())]
    Unsettled(#[source] CommandError),

    /// A buffer that was lent for a name or an array is too short (`ENOSPC`, `ENAMETOOLONG`).
    #[error("a buffer that was lent for {} is too short", .0.target())]
    BufferTooShort(#[source] CommandError),

    /// The file descriptor or the pin is not a link.
    #[error("{0} is not a bpf_link")]
    NotALink(Target),

    /// The file descriptor or the pin is not a program.
    #[error("{0} is not a BPF program")]
    NotAProgram(Target),

    /// The file descriptor is not a map.
    #[error("{0} is not a BPF map")]
    NotAMap(Target),

    /// The path is not on a bpffs.
    #[error("{} is not on a bpffs", path.display())]
    NotOnBpffs {
        /// The path that was to be a pin.
        path: PathBuf,
        /// The refused command.
        source: CommandError,
    },

    /// A pin can be moved within one mount of a bpffs only, and the new path is on another (`EXDEV`).
    #[error("{} is on another mount than the pin at {}", to.display(), from.display())]
    OtherMount {
        /// Where the link is pinned, and stays so.
        from: PathBuf,
        /// Where it was to be pinned.
        to: PathBuf,
        /// The refused command.
        source: CommandError,
    },

    /// Something exists at the path already (`EEXIST`).
    #[error("{} exists already", .0.target())]
    PathExists(#[source] CommandError),

    /// The path, or the directory it is to be made in, does not exist (`ENOENT`).
    #[error("{}, or the directory it is in, does not exist", .0.target())]
    PathNotFound(#[source] CommandError),

    /// The name has a dot in it, which a bpffs does not allow.
    #[error("the last part of {} has a dot in it, which a bpffs does not allow", path.display())]
    PinName {
        /// The path that was to be a pin.
        path: PathBuf,
        /// The refused command.
        source: CommandError,
    },

    /// The path has a NUL byte in it.
    #[error("{path:?} has a NUL byte in it")]
    PathHasNul {
        /// The path as it was given.
        path: PathBuf,
    },

    /// The path at which this link was pinned now is something else; it was left alone.
    #[error("{} is not the pin of this link any more", path.display())]
    PinReplaced {
        /// The path at which this link was pinned.
        path: PathBuf,
    },

    /// Two arrays of one request have to be of one length, and are not.
    #[error("{what}: {found} given for {expected}")]
    LengthMismatch {
        /// The array at fault, named as the kernel names it.
        what: &'static str,
        /// How many entries it should have.
        expected: usize,
        /// How many it has.
        found: usize,
    },

    /// A request that the kernel would misread or quietly ignore; it was not sent.
    #[error("{0}")]
    InvalidRequest(InvalidRequest),
}

/// A request that the kernel would misread, or take in part and ignore the rest of; so it was not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRequest {
    /// The arguments of one kind with an attach type that makes the kernel read them as another's.
    #[error("attach type {attach_type} does not take the arguments of {arguments}")]
    Arguments {
        /// The attach type.
        attach_type: AttachType,
        /// Whose arguments were given, named as in the kernel's `link_create`.
        arguments: &'static str,
    },
    /// An anchor is a link of another kind than the one that is created; some kernels crash on it.
    #[error("a {found} link cannot be the anchor of a link on {attach_type}")]
    Anchor {
        /// The attach type of the new link.
        attach_type: AttachType,
        /// The kind of the anchor.
        found: LinkKind,
    },
    /// A session runs on entry and return; the return flag would leave out the entry.
    #[error("a session cannot be a return probe as well")]
    SessionReturn,
    /// A tracepoint's name is longer than the 127 bytes that the kernel reads of it.
    #[error("a tracepoint's name is 127 bytes at most")]
    TracepointName,
    /// The buffers are for a link of another kind.
    #[error("the buffers are not for a {0} link")]
    Buffers(LinkKind),
    /// A kernel was to be asked for a kind that this release does not know.
    #[error("no way is known to ask for {0} links")]
    Probe(LinkKind),
}

impl From<InvalidRequest> for Error {
    fn from(request: InvalidRequest) -> Self {
        Self::InvalidRequest(request)
    }
}

/// Refuses an array that does not have one entry for each of `expected`.
pub(crate) fn same_length(what: &'static str, expected: usize, found: usize) -> Result<()> {
    if expected == found {
        Ok(())
    } else {
        Err(Error::LengthMismatch {
            what,
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
        match self {
            Self::Command(error)
            | Self::PermissionDenied(error)
            | Self::UnsupportedByKernel(error)
            | Self::HookGone(error)
            | Self::StaleRevision(error)
            | Self::Vanished(error)
            | Self::Unsettled(error)
            | Self::BufferTooShort(error)
            | Self::PathExists(error)
            | Self::PathNotFound(error) => Some(error),
            Self::UnsupportedByKind { source, .. }
            | Self::WrongObject { source, .. }
            | Self::OldProgramMismatch { source, .. }
            | Self::NotOnBpffs { source, .. }
            | Self::OtherMount { source, .. }
            | Self::PinName { source, .. } => Some(source),
            Self::NotALink(_)
            | Self::NotAProgram(_)
            | Self::NotAMap(_)
            | Self::PathHasNul { .. }
            | Self::PinReplaced { .. }
            | Self::LengthMismatch { .. }
            | Self::InvalidRequest(_) => None,
        }
    }
}

/// A command that the kernel refused: which, on what, and why.
#[derive(Debug, thiserror::Error)]
#[error("{command} on {target} failed")]
pub struct CommandError {
    command: Command,
    target: Target,
    source: io::Error,
}

impl CommandError {
    pub(crate) fn new(command: Command, target: Target, source: io::Error) -> Self {
        Self {
            command,
            target,
            source,
        }
    }

    /// The command.
    #[must_use]
    pub fn command(&self) -> Command {
        self.command
    }

    /// What it was to be done to.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The kernel's error number.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        self.source.raw_os_error()
    }

    /// The error as the system gave it.
    #[must_use]
    pub fn io_error(&self) -> &io::Error {
        &self.source
    }

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

/// A command of `bpf(2)`, or one of the other system calls that links need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Command {
    /// `BPF_LINK_CREATE`
    LinkCreate,
    /// `BPF_RAW_TRACEPOINT_OPEN`
    RawTracepointOpen,
    /// `BPF_LINK_UPDATE`
    LinkUpdate,
    /// `BPF_LINK_DETACH`
    LinkDetach,
    /// `BPF_LINK_GET_FD_BY_ID`
    LinkGetFdById,
    /// `BPF_LINK_GET_NEXT_ID`
    LinkGetNextId,
    /// `BPF_PROG_GET_FD_BY_ID`
    ProgGetFdById,
    /// `BPF_MAP_GET_FD_BY_ID`
    MapGetFdById,
    /// `BPF_BTF_GET_FD_BY_ID`
    BtfGetFdById,
    /// `BPF_ITER_CREATE`
    IterCreate,
    /// `BPF_OBJ_GET_INFO_BY_FD`
    ObjGetInfoByFd,
    /// `BPF_OBJ_PIN`
    ObjPin,
    /// `BPF_OBJ_GET`
    ObjGet,
    /// `BPF_PROG_QUERY`
    ProgQuery,
    /// `BPF_PROG_LOAD`, of a program that a probe needs.
    ProgLoad,
    /// `BPF_MAP_CREATE`, of a map that a probe needs.
    MapCreate,
    /// `perf_event_open(2)`
    PerfEventOpen,
    /// `ioctl(2)` with `PERF_EVENT_IOC_ENABLE`
    PerfEventEnable,
    /// `ioctl(2)` with `PERF_EVENT_IOC_DISABLE`
    PerfEventDisable,
    /// `renameat2(2)` with `RENAME_NOREPLACE`
    Rename,
    /// `renameat(2)`, which replaces what is at the new path
    RenameOver,
    /// `unlinkat(2)`
    Unlink,
    /// `fstatat(2)`
    Stat,
    /// `fstatfs(2)`
    StatFileSystem,
    /// `openat(2)` of a directory
    OpenDirectory,
    /// `flock(2)`
    Lock,
    /// `fcntl(2)` with `F_DUPFD_CLOEXEC`
    Duplicate,
    /// `getcwd(2)`
    CurrentDirectory,
    /// `ioctl(2)` with `SIOCGIFINDEX`, or the `socket(2)` that it needs
    InterfaceIndex,
    /// `ioctl(2)` with `SIOCGIFNAME`, or the `socket(2)` that it needs
    InterfaceName,
    /// `kcmp(2)` with `KCMP_FILES`
    CompareDescriptors,
    /// Reading the kernel's own types, and looking for one among them.
    ReadKernelTypes,
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LinkCreate => "BPF_LINK_CREATE",
            Self::RawTracepointOpen => "BPF_RAW_TRACEPOINT_OPEN",
            Self::LinkUpdate => "BPF_LINK_UPDATE",
            Self::LinkDetach => "BPF_LINK_DETACH",
            Self::LinkGetFdById => "BPF_LINK_GET_FD_BY_ID",
            Self::LinkGetNextId => "BPF_LINK_GET_NEXT_ID",
            Self::ProgGetFdById => "BPF_PROG_GET_FD_BY_ID",
            Self::MapGetFdById => "BPF_MAP_GET_FD_BY_ID",
            Self::BtfGetFdById => "BPF_BTF_GET_FD_BY_ID",
            Self::IterCreate => "BPF_ITER_CREATE",
            Self::ObjGetInfoByFd => "BPF_OBJ_GET_INFO_BY_FD",
            Self::ObjPin => "BPF_OBJ_PIN",
            Self::ObjGet => "BPF_OBJ_GET",
            Self::ProgQuery => "BPF_PROG_QUERY",
            Self::ProgLoad => "BPF_PROG_LOAD",
            Self::MapCreate => "BPF_MAP_CREATE",
            Self::PerfEventOpen => "perf_event_open",
            Self::PerfEventEnable => "ioctl(PERF_EVENT_IOC_ENABLE)",
            Self::PerfEventDisable => "ioctl(PERF_EVENT_IOC_DISABLE)",
            Self::Rename => "renameat2",
            Self::RenameOver => "renameat",
            Self::Unlink => "unlinkat",
            Self::Stat => "fstatat",
            Self::StatFileSystem => "fstatfs",
            Self::OpenDirectory => "openat",
            Self::Lock => "flock",
            Self::Duplicate => "fcntl(F_DUPFD_CLOEXEC)",
            Self::CurrentDirectory => "getcwd",
            Self::InterfaceIndex => "ioctl(SIOCGIFINDEX)",
            Self::InterfaceName => "ioctl(SIOCGIFNAME)",
            Self::CompareDescriptors => "kcmp",
            Self::ReadKernelTypes => "reading the kernel's types",
        })
    }
}

/// What a command was to be done to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// The link with this id.
    Link(LinkId),
    /// The program with this id.
    Program(ProgramId),
    /// The map with this id.
    Map(MapId),
    /// The BTF object with this id.
    Btf(BtfId),
    /// A file descriptor whose id the kernel has not told (yet).
    Descriptor,
    /// A path.
    Path(PathBuf),
    /// A hook that a program was to be attached to.
    Hook(AttachType),
    /// A tracepoint; without a name, the one that the program was loaded for.
    Tracepoint(Option<CString>),
    /// A perf event, by its type and configuration.
    PerfEvent(u32, u64),
    /// The network device with this name.
    Interface(CString),
    /// The network device with this index.
    InterfaceIndex(u32),
    /// The thread with this id.
    Thread(u32),
    /// The links of this machine.
    Links,
    /// Nothing but the question whether the kernel has links of this kind.
    Probe(LinkKind),
}

impl Target {
    pub(crate) fn path(path: &Path) -> Self {
        Self::Path(path.to_owned())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(id) => write!(f, "link {id}"),
            Self::Program(id) => write!(f, "program {id}"),
            Self::Map(id) => write!(f, "map {id}"),
            Self::Btf(id) => write!(f, "BTF object {id}"),
            Self::Descriptor => f.write_str("a file descriptor"),
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Hook(attach_type) => write!(f, "hook {attach_type}"),
            Self::Tracepoint(Some(name)) => write!(f, "tracepoint {}", name.to_string_lossy()),
            Self::Tracepoint(None) => f.write_str("the program's own target"),
            Self::PerfEvent(event_type, config) => {
                write!(f, "the perf event {config:#x} of type {event_type}")
            }
            Self::Interface(name) => write!(f, "interface {}", name.to_string_lossy()),
            Self::InterfaceIndex(index) => write!(f, "the interface with index {index}"),
            Self::Thread(id) => write!(f, "thread {id}"),
            Self::Links => f.write_str("the links of this machine"),
            Self::Probe(kind) => write!(f, "a probe for {kind} links"),
        }
    }
}
