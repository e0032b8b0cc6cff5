//! Commands that the kernel refused.

use std::fmt;
use std::io;

use super::no_jit::NoJit;
use super::not_supported::NotSupported;
use super::target::Target;

/// A command that the kernel refused: which, on what, and why.
#[derive(Debug)]
pub struct CommandError {
    command: Command,
    /// Boxed, so that an error is small.
    target: Box<Target>,
    source: io::Error,
    /// Whether it is certain that it was refused because the kernel has no BPF JIT.
    lacks_jit: bool,
}

impl CommandError {
    pub(crate) fn new(command: Command, target: Target, source: io::Error) -> Self {
        Self {
            command,
            target: Box::new(target),
            source,
            lacks_jit: false,
        }
    }

    /// A command that was refused because the kernel has no BPF JIT.
    pub(crate) fn without_jit(command: Command, target: Target) -> Self {
        let source = io::Error::from_raw_os_error(NoJit::ERRNO);
        Self {
            lacks_jit: true,
            ..Self::new(command, target, source)
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

    pub(super) fn target_mut(&mut self) -> &mut Target {
        &mut self.target
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
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {} failed", self.command, self.target)
    }
}

/// The source is the system's error. The system has no words for `ENOTSUPP` and for a missing BPF
/// JIT, so for these the source is an error of our own.
impl std::error::Error for CommandError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self.errno() {
            _ if self.lacks_jit => Some(&NoJit),
            Some(NotSupported::ERRNO) => Some(&NotSupported),
            _ => Some(&self.source),
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
    /// `BPF_MAP_GET_NEXT_ID`
    MapGetNextId,
    /// `BPF_BTF_GET_FD_BY_ID`
    BtfGetFdById,
    /// `BPF_ITER_CREATE`
    IterCreate,
    /// `read(2)` of what an iterator writes
    ReadIter,
    /// `BPF_OBJ_GET_INFO_BY_FD`
    ObjGetInfoByFd,
    /// `BPF_MAP_LOOKUP_BATCH` of no element, which tells whether a descriptor is a map
    MapLookupBatch,
    /// `BPF_MAP_LOOKUP_ELEM`
    MapLookupElem,
    /// `BPF_PROG_BIND_MAP` without a map, which tells whether a descriptor is a program
    ProgBindMap,
    /// `BPF_OBJ_PIN`
    ObjPin,
    /// `BPF_OBJ_GET`
    ObjGet,
    /// `BPF_PROG_QUERY`
    ProgQuery,
    /// `BPF_TASK_FD_QUERY`
    TaskFdQuery,
    /// `BPF_PROG_LOAD`, of a program that a probe or a snapshot needs.
    ProgLoad,
    /// `BPF_MAP_CREATE`, of a map that a probe needs.
    MapCreate,
    /// `perf_event_open(2)`
    PerfEventOpen,
    /// `ioctl(2)` with `PERF_EVENT_IOC_ENABLE`
    PerfEventEnable,
    /// `ioctl(2)` with `PERF_EVENT_IOC_DISABLE`
    PerfEventDisable,
    /// `ioctl(2)` with `PERF_EVENT_IOC_QUERY_BPF`
    PerfEventQueryBpf,
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
    /// `getdents64(2)`
    ReadDirectory,
    /// `openat2(2)` with `RESOLVE_IN_ROOT`
    OpenInRoot,
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
    /// `RTM_GETLINK` over netlink, or the `socket(2)` that it needs
    GetNetworkDevice,
    /// `RTM_GETQDISC`, `RTM_GETTCLASS` or `RTM_GETTFILTER` over netlink, or the `socket(2)` that
    /// they need
    GetTcFilters,
    /// `setns(2)` with `CLONE_NEWNET`
    EnterNetns,
    /// `clone(2)` of a thread
    StartThread,
    /// `kcmp(2)` with `KCMP_FILES`
    CompareDescriptors,
    /// Reading the types of the kernel, a module or a program (BTF), and looking for one among
    /// them.
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
            Self::MapGetNextId => "BPF_MAP_GET_NEXT_ID",
            Self::BtfGetFdById => "BPF_BTF_GET_FD_BY_ID",
            Self::IterCreate => "BPF_ITER_CREATE",
            Self::ReadIter => "read",
            Self::ObjGetInfoByFd => "BPF_OBJ_GET_INFO_BY_FD",
            Self::MapLookupBatch => "BPF_MAP_LOOKUP_BATCH",
            Self::MapLookupElem => "BPF_MAP_LOOKUP_ELEM",
            Self::ProgBindMap => "BPF_PROG_BIND_MAP",
            Self::ObjPin => "BPF_OBJ_PIN",
            Self::ObjGet => "BPF_OBJ_GET",
            Self::ProgQuery => "BPF_PROG_QUERY",
            Self::TaskFdQuery => "BPF_TASK_FD_QUERY",
            Self::ProgLoad => "BPF_PROG_LOAD",
            Self::MapCreate => "BPF_MAP_CREATE",
            Self::PerfEventOpen => "perf_event_open",
            Self::PerfEventEnable => "ioctl(PERF_EVENT_IOC_ENABLE)",
            Self::PerfEventDisable => "ioctl(PERF_EVENT_IOC_DISABLE)",
            Self::PerfEventQueryBpf => "ioctl(PERF_EVENT_IOC_QUERY_BPF)",
            Self::Rename => "renameat2",
            Self::RenameOver => "renameat",
            Self::Unlink => "unlinkat",
            Self::Stat => "fstatat",
            Self::StatFileSystem => "fstatfs",
            Self::OpenDirectory => "openat",
            Self::ReadDirectory => "getdents64",
            Self::OpenInRoot => "openat2",
            Self::Lock => "flock",
            Self::Duplicate => "fcntl(F_DUPFD_CLOEXEC)",
            Self::CurrentDirectory => "getcwd",
            Self::InterfaceIndex => "ioctl(SIOCGIFINDEX)",
            Self::InterfaceName => "ioctl(SIOCGIFNAME)",
            Self::GetNetworkDevice => "RTM_GETLINK",
            Self::GetTcFilters => "RTM_GETTFILTER",
            Self::EnterNetns => "setns",
            Self::StartThread => "starting a thread",
            Self::CompareDescriptors => "kcmp",
            Self::ReadKernelTypes => "reading types",
        })
    }
}
