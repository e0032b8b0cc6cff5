//! What can go wrong. Nothing that the layer below says is lost.

#[cfg(feature = "elf")]
mod binary;
mod causes;
mod holder;
mod kernel_function;
mod rejected;
mod sample_rate;
mod symbols;
mod words;

use std::ffi::CString;
use std::io;
use std::path::PathBuf;

use bpf_link::{AttachType, BtfTypeId, CountedEvent, LinkId, LinkKind, ProgramInfo, Target};

use crate::attach::interface::Interface;

#[cfg(feature = "elf")]
pub use binary::BinaryProblem;
pub use holder::{HolderLink, HookHolder};
pub use kernel_function::KernelFunctionProblem;
pub use rejected::Rejected;
pub use sample_rate::SampleRateProblem;
pub(crate) use symbols::ENOTSUPP;
pub use symbols::{
    BtfOf, FilePlaces, SharedName, SimilarSymbols, UntraceableAddress, UntraceableSymbols,
};

/// An error of the layer below. Most errors of this crate have one as their source.
pub type LinkError = bpf_link::Error;

/// What the operations of this crate return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation on a link of a known kind failed.
///
/// The message says what was refused, and for which link, hook or program. The system's answer is
/// the [`source`](std::error::Error::source). The message does not repeat it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// An operation that all kinds share failed, or this kind does not have it
    /// ([`bpf_link::Error::UnsupportedByKind`]).
    Link(LinkError),

    /// The link is not of the kind that you asked for.
    WrongKind {
        /// The link, by its pin or id.
        link: Target,
        /// The kind that was asked for; `None` for one that this release does not know.
        expected: Option<LinkKind>,
        /// The kind of the link.
        found: LinkKind,
    },

    /// The program was loaded for a hook whose links are of another kind. The kernel does not tell
    /// this in advance, so the program was attached there for a moment.
    LoadedForAnotherKind {
        /// The program; `None` if the kernel does not tell the caller about it.
        program: Option<Box<ProgramInfo>>,
        /// The kind of link that was asked for.
        expected: LinkKind,
        /// The kind of link that the program makes.
        found: LinkKind,
    },

    /// The bytes are too short for a whole info: every kernel reports more.
    ShortInfo {
        /// How many bytes there are.
        len: usize,
    },

    /// There is no such network device in the network namespace of the calling thread.
    NoSuchInterface {
        /// The device that was asked for.
        interface: Interface,
        /// What the kernel answered.
        source: LinkError,
    },

    /// The hook is full: it takes only one program, or no more than it has.
    ///
    /// The programs are found for xdp, tcx, netkit, a cgroup (not for `Lsm`), a network namespace,
    /// a sockmap, a tracepoint, a function that is traced or was to be replaced by an extension,
    /// and, as maps, for `struct_ops`. Those of netfilter, of functions of programs, and flow
    /// dissectors of other namespaces only may be in the way ([`HookHolder::is_certain`]).
    HookTaken {
        /// The programs that have it, as far as the kernel tells; empty if it does not.
        holders: Vec<HookHolder>,
        /// What the kernel answered. Its target is the hook.
        source: LinkError,
    },

    /// Something already has this priority on this netfilter hook. It may not be a program.
    PriorityTaken {
        /// The priority that was asked for.
        priority: i32,
        /// The programs of links that may have it; empty if none is found. The kernel does not
        /// report in which network namespace they are ([`HookHolder::is_certain`]).
        holders: Box<[HookHolder]>,
        /// What the kernel answered.
        source: LinkError,
    },

    /// This program is already on this hook.
    AlreadyAttached(LinkError),

    /// The link or program that the new link was to be placed next to is not on this hook, or does
    /// not exist.
    AnchorNotOnHook(LinkError),

    /// The program was not loaded for this attach type.
    AttachTypeMismatch {
        /// The attach type that the program was to be attached to.
        attach_type: AttachType,
        /// The program; `None` if the kernel does not tell the caller about it.
        program: Option<Box<ProgramInfo>>,
        /// What the kernel answered.
        source: LinkError,
    },

    /// The kernel refused the program, and does not say why. It may have been loaded for another
    /// attach type, such as for the return of a function instead of the entry; or be for another
    /// sort of perf event than the one that was given open. The kernel reports neither.
    ProgramRefused {
        /// The attach type that the program was to be attached to.
        attach_type: AttachType,
        /// The program.
        program: Box<ProgramInfo>,
        /// What the kernel answered.
        source: LinkError,
    },

    /// The file is not a cgroup of the second version of cgroups: it is not a directory, or is on
    /// another file system (`EBADF`).
    NotACgroup {
        /// Its path; `None` if it was given as a descriptor.
        path: Option<PathBuf>,
        /// What the kernel answered.
        source: LinkError,
    },

    /// At least one of the functions that were asked for was refused, so none of them is traced.
    SymbolNotFound {
        /// The functions at fault, as far as they are known.
        symbols: Box<UntraceableSymbols>,
        /// What the kernel answered.
        source: LinkError,
    },

    /// According to its own lists, the kernel has no such function. Nothing was attached.
    KernelFunction(Box<KernelFunctionProblem>),

    /// Several functions of the kernel have this name. Choose one by its address.
    AmbiguousSymbol {
        /// The names, and where the functions are.
        symbols: Box<[SharedName]>,
        /// What the kernel answered (`EADDRNOTAVAIL`). `None` for `kprobe_multi`, and before Linux
        /// 6.7: the kernel would silently take the first, so it was not asked.
        source: Option<LinkError>,
    },

    /// BTF describes no function with these names, so the kernel was not asked to attach the
    /// program. The kernel describes most of its functions, but not all.
    NoSuchBtfFunction {
        /// Whose description was searched.
        of: BtfOf,
        /// The names that it does not have.
        unknown: Vec<CString>,
        /// What it has instead, for those where there is something close.
        similar: Vec<SimilarSymbols>,
    },

    /// BTF describes several functions with this name. Choose one by its number.
    AmbiguousBtfFunction {
        /// The name.
        name: CString,
        /// Whose description was searched.
        of: BtfOf,
        /// The numbers of the functions.
        ids: Box<[BtfTypeId]>,
    },

    /// The place is after the end of the function. The kernel was not asked, as it would attach the
    /// program to what is there.
    BeyondFunction {
        /// The function.
        function: CString,
        /// The offset of the place in the function, in bytes.
        offset: u64,
        /// How long it is, in bytes.
        size: u64,
    },

    /// No instruction begins at this place in the function (`EILSEQ`; `EINVAL` on arm64 and s390x,
    /// whose instructions are aligned).
    InsideInstruction {
        /// The function.
        function: CString,
        /// The offset of the place in the function, in bytes.
        offset: u64,
        /// What the kernel answered.
        source: LinkError,
    },

    /// The kernel does not allow probes on this function (`EINVAL`).
    NotToBeProbed {
        /// The function.
        function: CString,
        /// Whether it is on the kernel's blacklist (`kprobes/blacklist` in debugfs). Otherwise it
        /// is missing from `available_filter_functions` in tracefs.
        is_blacklisted: bool,
        /// What the kernel answered.
        source: LinkError,
    },

    /// At least one of these addresses is not that of a traceable function, so none is traced.
    AddressNotTraceable {
        /// Those at which no traceable function begins.
        addresses: Box<[UntraceableAddress]>,
        /// What the kernel answered.
        source: LinkError,
    },

    /// An instruction in the file cannot be probed (the kernel's `ENOTSUPP`, number 524). The
    /// kernel says so only while a process maps the file.
    InstructionNotProbed {
        /// The places that were given: it is at one of them.
        places: Box<FilePlaces>,
        /// What the kernel answered.
        source: LinkError,
    },

    /// The kernel is locked down for confidentiality, which forbids this to everybody (`EPERM`).
    LockedDown {
        /// What was refused.
        source: Box<Error>,
    },

    /// The kernel has no such tracepoint, or its module is not loaded.
    NoSuchTracepoint {
        /// The tracepoint that was asked for.
        tracepoint: String,
        /// How that was found: the kernel's answer, or what was not found in tracefs.
        source: Box<Error>,
    },

    /// This cannot be the name of a tracepoint, so it was not looked for.
    TracepointName {
        /// The category and the name that were given, with a colon between them.
        tracepoint: String,
    },

    /// The program reads more than the tracepoint records, so the kernel does not attach it there
    /// (`EACCES`).
    ReadsBeyondRecord {
        /// The tracepoint; `None` for a perf event of the caller's.
        tracepoint: Option<Box<str>>,
        /// How many bytes the record has; `None` if tracefs does not tell.
        size: Option<u32>,
        /// What the kernel answered.
        source: LinkError,
    },

    /// The kernel has no perf events of this sort, such as `kprobe` or `uprobe`.
    NoEventSource {
        /// The sort.
        name: &'static str,
        /// What was to be probed.
        target: Target,
        /// What was not found in sysfs.
        source: io::Error,
    },

    /// The kernel's files about the event, in tracefs or sysfs, could not be read: they are not
    /// mounted, or the caller may not open them.
    EventLookup {
        /// The tracepoint, or what was to be probed.
        target: Target,
        /// Why: an [`Error::File`], which names the file.
        source: Box<Error>,
    },

    /// A counter's period or frequency is out of range. The kernel was not asked.
    SampleRate(SampleRateProblem),

    /// This machine does not count the event (`ENOENT`). Virtual machines often have no hardware
    /// events.
    EventNotCounted {
        /// The event.
        event: CountedEvent,
        /// What the kernel answered.
        source: LinkError,
    },

    /// The processor is offline (`ENODEV`).
    ProcessorOffline {
        /// Its number.
        processor: u32,
        /// What the kernel answered.
        source: LinkError,
    },

    /// Only a counter can be for one processor: other perf events are for all processors.
    NotACounter(Target),

    /// What is pinned at the path is not a link of this kind, and was left alone:
    /// [`Ensure::replace_other`](crate::Ensure::replace_other) allows replacing it.
    PinTaken {
        /// The path of the pin, or of the one beside it that takes its place.
        path: PathBuf,
        /// The kind of link that is pinned there; `None` if it is not a link.
        found: Option<LinkKind>,
    },

    /// The name has the form of a temporary pin ([`is_temporary_pin`](bpf_link::is_temporary_pin)),
    /// which exists only while a pin is being replaced. So no link can be kept there.
    TemporaryName {
        /// The path that was to be a pin.
        path: PathBuf,
    },

    /// Whether a link is our own could not be asked: that takes `CAP_SYS_ADMIN` (`EPERM`).
    SearchDenied {
        /// Where our links were to be pinned, a set's directory, or where a stale link is pinned.
        path: PathBuf,
        /// What the kernel answered.
        source: LinkError,
    },

    /// The options expect a revision of the hook's list, and the link is to be pinned. Updating a
    /// link in place does not check the revision, and attaching a new link changes it.
    ExpectedRevision {
        /// The path that was to be a pin.
        path: PathBuf,
        /// The revision.
        revision: u64,
    },

    /// Our own links are on the hook, but not pinned at the path. Either the caller asked for a
    /// report, or there is more than one. Nothing was changed.
    OursFound {
        /// The path that was to be a pin.
        path: PathBuf,
        /// Their ids.
        links: Vec<LinkId>,
    },

    /// Another process, which does not take the lock, changed the pin or its link each time this
    /// one looked at it.
    Overtaken {
        /// The path of the pin.
        path: PathBuf,
        /// The link that is pinned there now; `None` if no link is pinned there.
        left: Option<LinkId>,
    },

    /// The hook takes only one program, and the new one could not be attached. The old one was put
    /// back, and is pinned again; the hook was without it for a moment.
    OldProgramPutBack {
        /// The link that the old program has now.
        link: LinkId,
        /// Why the new one could not be attached.
        source: Box<Error>,
    },

    /// The same, but the old program could not be put back either: the hook is without a program.
    OldProgramLost {
        /// Why the new one could not be attached.
        source: Box<Error>,
        /// Why the old one could not be put back. `None` if it could not even be opened, which
        /// takes `CAP_SYS_ADMIN`.
        put_back: Option<Box<Error>>,
    },

    /// The hook takes only one program, links of this kind cannot be detached, and five seconds
    /// after its pin was removed the old one was still there: usually because another process holds
    /// it. It is pinned as it was.
    OldLinkHeld {
        /// The old link.
        link: LinkId,
        /// Why the new program could not be attached.
        source: Box<Error>,
    },

    /// A name that no link of a set can have: it is empty or longer than 232 bytes, has a slash or
    /// a dot in it, or ends like that of a [temporary pin](bpf_link::temporary_pin).
    SetName {
        /// The name.
        name: String,
    },

    /// The set already has a link with this name.
    NameInSet {
        /// The name.
        name: String,
    },

    /// The set has no link with this name.
    NotInSet {
        /// The name.
        name: String,
    },

    /// Two links of a set are for the same hook, which takes only one program.
    SameHook {
        /// Their names.
        names: [String; 2],
    },

    /// The directory of a set is the root of a bpffs, which belongs to everybody.
    RootOfBpffs {
        /// The directory.
        path: PathBuf,
    },

    /// An old program could not be opened, which takes `CAP_SYS_ADMIN`, so the set could not be
    /// undone. It was not applied: see [`without_rollback`](crate::LinkSet::without_rollback).
    NoWayBack(LinkError),

    /// A link of a set was refused, and everything that had been done was undone.
    SetNotApplied(Box<SetFailure>),

    /// A directory for the pin could not be created, or it is not known whether it exists.
    CreateDirectory {
        /// The directory.
        path: PathBuf,
        /// Why: a [`std::io::Error`].
        source: io::Error,
    },

    /// A binary does not have what was asked for, or cannot be read as one.
    #[cfg(feature = "elf")]
    Binary {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: Box<BinaryProblem>,
    },

    /// There is no library or program of this name.
    #[cfg(feature = "elf")]
    NoSuchBinary {
        /// The name.
        name: String,
        /// Where it was looked for: a root directory, the `PATH`, or the mappings of a process.
        searched: PathBuf,
    },

    /// A file to attach to, or a file that says how to attach, could not be opened or read.
    File {
        /// The file.
        path: PathBuf,
        /// Why: a [`std::io::Error`].
        source: io::Error,
    },
}

/// Why a set was not applied, and what state its links are in: [`Error::SetNotApplied`].
#[derive(Debug)]
#[non_exhaustive]
pub struct SetFailure {
    /// The link of the set that was refused.
    pub name: String,
    /// The name of each link of the set, and its state now.
    pub links: Vec<(String, LinkState)>,
    /// Why it was refused.
    pub source: Error,
}

/// The state of a link of a set that was not applied.
#[derive(Debug)]
#[non_exhaustive]
pub enum LinkState {
    /// As before: the same pinned link attaches the same program, or there is no link either.
    AsBefore,
    /// The old program is attached again, by another link, which is pinned; the hook was without it
    /// for a moment.
    PutBack {
        /// The link that it has now.
        link: LinkId,
    },
    /// The old state could not be restored.
    NotPutBack {
        /// Why. `None` if the old program could not be opened before it was stopped, which
        /// [`without_rollback`](crate::set::LinkSet::without_rollback) allows.
        source: Option<Error>,
    },
}

impl LinkState {
    /// Whether what was attached before is attached now, which may be nothing.
    #[must_use]
    pub fn is_undone(&self) -> bool {
        !matches!(self, Self::NotPutBack { .. })
    }
}
