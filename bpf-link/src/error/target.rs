//! The targets of commands.

use std::ffi::{CStr, CString};
use std::fmt;
use std::path::{Path, PathBuf};

use crate::attach_type::AttachType;
use crate::counted_event::CountedEvent;
use crate::id::{BtfId, BtfTypeId, LinkId, MapId, ProgramId};
use crate::kind::LinkKind;
use crate::netfilter_name::{netfilter_family_name, netfilter_hook_name};

/// The target of a command, as the caller named it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// The link with this id.
    Link(LinkId),
    /// The link that was pinned at this path, or opened from there.
    Pin {
        /// The path.
        path: PathBuf,
        /// The link's id; `None` if the kernel has not told it.
        link: Option<LinkId>,
    },
    /// The program with this id.
    Program(ProgramId),
    /// The map with this id.
    Map(MapId),
    /// The BTF object with this id.
    Btf(BtfId),
    /// A file descriptor that nothing more is known of.
    Descriptor,
    /// A path.
    Path(PathBuf),
    /// A hook that a program was to be attached to, or that was asked for its programs.
    Hook {
        /// What sort of hook it is.
        attach_type: AttachType,
        /// What has the hook; `None` where only the program says so.
        of: Option<Box<Target>>,
    },
    /// The link or program that another was to be placed next to.
    Anchor {
        /// The link or program.
        anchor: Box<Target>,
        /// The hook.
        hook: Box<Target>,
    },
    /// A tracepoint; without a name, the one that the program was loaded for.
    Tracepoint(Option<CString>),
    /// A function of another program, in whose place an extension is put.
    ExtensionOf {
        /// The other program; `None` for the one that the extension was loaded for.
        program: Option<ProgramId>,
        /// The function, by its id in BTF; `None` for the one that the extension was loaded for.
        function: Option<BtfTypeId>,
        /// Its name, if it was given by name.
        name: Option<CString>,
    },
    /// A perf event, by its type and configuration.
    PerfEvent {
        /// The type.
        event_type: u32,
        /// The configuration.
        config: u64,
        /// The thread that it counts; 0 is the calling thread. `None` for all threads.
        thread: Option<u32>,
        /// The processor that it is on; `None` for every one.
        processor: Option<u32>,
    },
    /// A place in the kernel, so many bytes after the beginning of a function.
    Function {
        /// The function's symbol.
        name: CString,
        /// How many bytes.
        offset: u64,
    },
    /// Functions of the kernel, by their symbols.
    Functions(FirstOf<CString>),
    /// Functions of the kernel, by their ids in BTF.
    FunctionTypes(FirstOf<BtfTypeId>),
    /// Places in the kernel.
    Addresses(FirstOf<u64>),
    /// Places in a file with code.
    File {
        /// The file's path; `None` if it was given as a descriptor.
        path: Option<PathBuf>,
        /// How many bytes after the beginning of the file.
        offsets: FirstOf<u64>,
        /// The process in which; `None` for every one.
        process: Option<u32>,
    },
    /// A network device.
    Interface {
        /// Its name; `None` if it was given by its index, and has no name.
        name: Option<CString>,
        /// Its index; `None` if there is no device of this name.
        index: Option<u32>,
    },
    /// A cgroup, by its directory.
    Cgroup(PathBuf),
    /// A cgroup, by its id.
    CgroupId(u64),
    /// A network namespace, by its file.
    Netns(PathBuf),
    /// What is in another network namespace than the caller.
    InNetns {
        /// The device or hook.
        target: Box<Target>,
        /// The file of the namespace.
        netns: PathBuf,
    },
    /// A place among the programs of a netfilter hook.
    Netfilter {
        /// `NFPROTO_*`
        family: u32,
        /// `NF_INET_*`
        hook: u32,
        /// The priority.
        priority: i32,
    },
    /// The process with this id.
    Process(u32),
    /// The thread with this id.
    Thread(u32),
    /// The links of this machine.
    Links,
    /// The maps of this machine.
    Maps,
    /// Nothing but the question whether the kernel has links of this kind.
    Probe(LinkKind),
}

impl Target {
    pub(crate) fn path(path: &Path) -> Self {
        Self::Path(path.to_owned())
    }

    /// The network device with this index.
    pub(crate) fn ifindex(index: u32) -> Self {
        Self::Interface {
            name: None,
            index: Some(index),
        }
    }

    /// This link or program, as the anchor on a hook.
    pub(crate) fn into_anchor_on(self, hook: Self) -> Self {
        Self::Anchor {
            anchor: Box::new(self),
            hook: Box::new(hook),
        }
    }

    /// Replaces what the kernel was given by what the caller named.
    pub(crate) fn named(self, name: Self) -> Self {
        if self.says_no_more_than(&name) {
            return name;
        }
        match self {
            Self::Hook { attach_type, .. } => Self::Hook {
                attach_type,
                of: Some(Box::new(name)),
            },
            Self::Anchor { anchor, hook } => Self::Anchor {
                anchor,
                hook: Box::new(hook.named(name)),
            },
            other => other,
        }
    }

    /// Whether nothing is lost if an error has the caller's name in place of this.
    fn says_no_more_than(&self, name: &Self) -> bool {
        match self {
            Self::Descriptor
            | Self::PerfEvent { .. }
            | Self::Interface { .. }
            | Self::Tracepoint(None) => true,
            // The attach type says nothing about these, or is the same.
            Self::Hook { .. } => matches!(
                name,
                Self::ExtensionOf { .. } | Self::Tracepoint(None) | Self::Hook { .. }
            ),
            // An id says less than a name.
            Self::Btf(_) => matches!(name, Self::ExtensionOf { .. } | Self::Functions(_)),
            // The caller's may have the function's name as well.
            Self::ExtensionOf { .. } => matches!(name, Self::ExtensionOf { .. }),
            // A relative path was taken for a function.
            Self::Function { .. } => matches!(name, Self::File { .. }),
            // The namespace could not be entered.
            Self::Netns(_) => matches!(name, Self::InNetns { .. }),
            _ => false,
        }
    }

    /// Replaces this by what is made of it.
    pub(super) fn replace_with(&mut self, make: impl FnOnce(Self) -> Self) {
        *self = make(std::mem::replace(self, Self::Descriptor));
    }
}

/// The first of a list that may be long, and how long it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FirstOf<T> {
    /// The first of them, eight at most.
    pub first: Vec<T>,
    /// How many there are.
    pub count: usize,
}

impl<T> FirstOf<T> {
    /// The first of these.
    pub fn these<I: ExactSizeIterator<Item = T>>(
        list: impl IntoIterator<Item = T, IntoIter = I>,
    ) -> Self {
        const SHOWN: usize = 8;
        let list = list.into_iter();
        Self {
            count: list.len(),
            first: list.take(SHOWN).collect(),
        }
    }

    fn write(
        &self,
        f: &mut fmt::Formatter<'_>,
        one: impl Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result,
    ) -> fmt::Result {
        for (index, item) in self.first.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            one(item, f)?;
        }
        match self.count.saturating_sub(self.first.len()) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }

    /// Words before the list, for one, for several, or for none at all.
    fn write_word(
        &self,
        f: &mut fmt::Formatter<'_>,
        one: &'static str,
        several: &'static str,
    ) -> fmt::Result {
        match self.count {
            0 => write!(f, "no {several}"),
            1 => write!(f, "{one} "),
            _ => write!(f, "{several} "),
        }
    }
}

impl FirstOf<u64> {
    fn write_hex(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, |number, f| write!(f, "{number:#x}"))
    }
}

fn optional(f: &mut fmt::Formatter<'_>, words: &str, number: Option<u32>) -> fmt::Result {
    number.map_or(Ok(()), |number| write!(f, "{words}{number}"))
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(id) => write!(f, "link {id}"),
            Self::Pin { path, link } => {
                match link {
                    Some(id) => write!(f, "link {id}")?,
                    None => f.write_str("the link")?,
                }
                write!(f, " pinned at {}", path.display())
            }
            Self::Program(id) => write!(f, "program {id}"),
            Self::Map(id) => write!(f, "map {id}"),
            Self::Btf(id) => write!(f, "BTF object {id}"),
            Self::Descriptor => f.write_str("a file descriptor"),
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Hook { attach_type, of } => {
                write!(f, "hook {attach_type}")?;
                of.as_ref().map_or(Ok(()), |of| write!(f, " of {of}"))
            }
            Self::Anchor { anchor, hook } => write!(f, "{anchor}, the anchor on {hook}"),
            Self::Tracepoint(Some(name)) => write!(f, "tracepoint {}", name.to_string_lossy()),
            Self::Tracepoint(None) => f.write_str("the program's own target"),
            Self::ExtensionOf {
                program,
                function,
                name,
            } => extended(f, *program, *function, name.as_deref()),
            Self::PerfEvent {
                event_type,
                config,
                thread,
                processor,
            } => {
                let event = CountedEvent::from_raw(*event_type, *config);
                write!(f, "perf event {event}")?;
                match thread {
                    Some(0) => f.write_str(" of the calling thread")?,
                    thread => optional(f, " of thread ", *thread)?,
                }
                optional(f, " on processor ", *processor)
            }
            Self::Function { name, offset: 0 } => write!(f, "function {}", name.to_string_lossy()),
            Self::Function { name, offset } => {
                write!(f, "function {}+{offset:#x}", name.to_string_lossy())
            }
            Self::Functions(names) => {
                names.write_word(f, "function", "functions")?;
                names.write(f, |name, f| write!(f, "{}", name.to_string_lossy()))
            }
            Self::FunctionTypes(ids) => {
                ids.write_word(f, "BTF type", "BTF types")?;
                ids.write(f, |id, f| write!(f, "{id}"))
            }
            Self::Addresses(addresses) => {
                addresses.write_word(f, "address", "addresses")?;
                addresses.write_hex(f)
            }
            Self::File {
                path,
                offsets,
                process,
            } => {
                match path {
                    Some(path) if path.as_os_str().is_empty() => f.write_str("a file \"\"")?,
                    Some(path) => write!(f, "{}", path.display())?,
                    None => f.write_str("a file given as a descriptor")?,
                }
                if offsets.count > 0 {
                    f.write_str(" at ")?;
                    offsets.write_hex(f)?;
                }
                optional(f, " in process ", *process)
            }
            Self::Interface { name, index } => interface(f, name.as_deref(), *index),
            Self::Cgroup(path) => write!(f, "cgroup {}", path.display()),
            Self::CgroupId(id) => write!(f, "the cgroup with id {id}"),
            Self::Netns(path) => write!(f, "network namespace {}", path.display()),
            Self::InNetns { target, netns } => {
                write!(f, "{target} in network namespace {}", netns.display())
            }
            Self::Netfilter {
                family,
                hook,
                priority,
            } => netfilter(f, *family, *hook, *priority),
            Self::Process(id) => write!(f, "process {id}"),
            Self::Thread(id) => write!(f, "thread {id}"),
            Self::Links => f.write_str("the links of this machine"),
            Self::Maps => f.write_str("the maps of this machine"),
            Self::Probe(kind) => write!(f, "a probe for {kind} links"),
        }
    }
}

fn interface(f: &mut fmt::Formatter<'_>, name: Option<&CStr>, index: Option<u32>) -> fmt::Result {
    match (name.map(CStr::to_string_lossy), index) {
        (Some(name), Some(index)) => write!(f, "interface {name} (index {index})"),
        (Some(name), None) => write!(f, "interface {name}"),
        (None, Some(index)) => write!(f, "the interface with index {index}"),
        (None, None) => f.write_str("an interface"),
    }
}

fn extended(
    f: &mut fmt::Formatter<'_>,
    program: Option<ProgramId>,
    function: Option<BtfTypeId>,
    name: Option<&CStr>,
) -> fmt::Result {
    match (name, function) {
        (Some(name), _) => write!(f, "function {}", name.to_string_lossy())?,
        (None, Some(function)) => write!(f, "BTF type {function}")?,
        (None, None) => f.write_str("the function that the extension was loaded for")?,
    }
    program.map_or(Ok(()), |program| write!(f, " of program {program}"))
}

fn netfilter(f: &mut fmt::Formatter<'_>, family: u32, hook: u32, priority: i32) -> fmt::Result {
    match netfilter_family_name(family) {
        Some(name) => write!(f, "family {name}, ")?,
        None => write!(f, "family {family}, ")?,
    }
    match netfilter_hook_name(family, hook) {
        Some(name) => write!(f, "hook {name}, ")?,
        None => write!(f, "hook {hook}, ")?,
    }
    write!(f, "priority {priority}")
}
