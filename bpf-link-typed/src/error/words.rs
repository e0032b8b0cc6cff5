//! What went wrong, in words.

#[cfg(test)]
mod tests;

use std::fmt;

use bpf_link::{AttachType, Command, CommandError, FirstOf, LinkId, LinkKind, ProgramInfo, Target};

use super::symbols::{NamesBut, Shared, Untraceable};
use super::{Error, HookHolder, LinkState, SetFailure};

impl fmt::Display for Error {
    #[expect(clippy::too_many_lines, reason = "there is one arm for each error")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(error) => fmt::Display::fmt(error, f),
            Self::WrongKind {
                link,
                expected,
                found,
            } => {
                write!(f, "{link} is of kind {found}, {}", Expected(*expected))
            }
            Self::LoadedForAnotherKind {
                program,
                expected,
                found,
            } => {
                let program = Program(program.as_deref());
                write!(
                    f,
                    "{program} was loaded for links of kind {found}, not {expected}"
                )
            }
            Self::ShortInfo { len } => {
                write!(f, "{len} bytes are too short for the info of a link")
            }
            Self::NoSuchInterface { interface, .. } => {
                write!(f, "there is no interface {interface}")
            }
            Self::HookTaken { holders, source } => {
                let by = if holders.is_empty() {
                    " by another program"
                } else {
                    ""
                };
                write!(f, "{} is taken{by}{}", Hook(source), Holders(holders))
            }
            Self::PriorityTaken {
                holders, source, ..
            } => write!(f, "{} is taken{}", Hook(source), Holders(holders)),
            Self::AlreadyAttached(source) => {
                write!(f, "the program is already attached to {}", Hook(source))
            }
            Self::AnchorNotOnHook(source) => match target_of(source) {
                Some(Target::Anchor { anchor, hook }) if was_opened_by_id(source) => {
                    write!(f, "{anchor}, the anchor on {hook}, does not exist")
                }
                Some(Target::Anchor { anchor, hook }) => {
                    write!(f, "the anchor, {anchor}, is not on {hook}")
                }
                _ => write!(f, "the anchor is not on {}", Hook(source)),
            },
            Self::AttachTypeMismatch {
                program, source, ..
            } => write!(
                f,
                "{} does not fit {}",
                Program(program.as_deref()),
                Hook(source)
            ),
            Self::ProgramRefused {
                attach_type,
                program,
                source,
            } => {
                let (program, hook) = (Program(Some(program)), Hook(source));
                let why = match attach_type {
                    AttachType::PerfEvent => "be for another sort of event",
                    _ => "have been loaded for another attach type",
                };
                write!(f, "the kernel refused {program} on {hook}: it may {why}")
            }
            Self::NotACgroup { path, .. } => match path {
                Some(path) => write!(f, "{} is not a cgroup of cgroup2", path.display()),
                None => f.write_str("the file descriptor is not a cgroup of cgroup2"),
            },
            Self::SymbolNotFound { symbols, source } => match owner_of(source) {
                Some(functions) if symbols.names_none() => {
                    write!(f, "the kernel cannot trace every one of {functions}")?;
                    symbols.write_note(f)
                }
                _ => fmt::Display::fmt(symbols, f),
            },
            Self::KernelFunction(problem) => fmt::Display::fmt(problem, f),
            Self::AmbiguousSymbol { symbols, .. } => fmt::Display::fmt(&Shared(symbols), f),
            Self::NoSuchBtfFunction {
                of,
                unknown,
                similar,
            } => {
                let names = NamesBut(unknown, similar);
                write!(f, "the BTF of {of} has no function called {names}")
            }
            Self::AmbiguousBtfFunction { name, of, ids } => {
                let name = name.to_string_lossy();
                let ids = FirstOf::these(ids.iter().copied());
                let ids = Target::FunctionTypes(ids);
                write!(
                    f,
                    "the BTF of {of} has several functions called {name}: {ids}"
                )
            }
            Self::BeyondFunction {
                function,
                offset,
                size,
            } => {
                let function = function.to_string_lossy();
                write!(
                    f,
                    "offset {offset:#x} is past the end of {function}, which has {size:#x} bytes"
                )
            }
            Self::InsideInstruction {
                function,
                offset,
                source,
            } => {
                let function = function.to_string_lossy();
                let at = GivenAddress(source);
                write!(
                    f,
                    "no instruction begins {offset:#x} bytes into {function}{at}"
                )
            }
            Self::NotToBeProbed {
                function,
                is_blacklisted,
                source,
            } => {
                let function = format!("{}{}", function.to_string_lossy(), GivenAddress(source));
                let why = if *is_blacklisted {
                    "it is on the kernel's blacklist"
                } else {
                    "the kernel cannot trace it"
                };
                write!(f, "{function} cannot be probed: {why}")
            }
            Self::AddressNotTraceable { addresses, .. } => {
                fmt::Display::fmt(&Untraceable(addresses), f)
            }
            Self::InstructionNotProbed { places, source } => {
                let process = Process(source);
                write!(f, "the instruction at {places}{process} cannot be probed")
            }
            Self::LockedDown { .. } => {
                f.write_str("the kernel is locked down for confidentiality, which forbids this")
            }
            Self::NoSuchTracepoint { tracepoint, .. } => {
                write!(f, "there is no tracepoint {tracepoint}")
            }
            Self::TracepointName { tracepoint } => {
                write!(f, "{tracepoint:?} cannot be the name of a tracepoint")
            }
            Self::ReadsBeyondRecord {
                tracepoint, size, ..
            } => {
                let tracepoint = tracepoint.as_deref().unwrap_or("the tracepoint");
                let size = Size(*size);
                write!(
                    f,
                    "the program reads beyond the {size}record of {tracepoint}"
                )
            }
            Self::NoEventSource { name, target, .. } => {
                write!(
                    f,
                    "this kernel has no perf events for {name}s, so {target} cannot be probed"
                )
            }
            Self::EventLookup { target, .. } => {
                write!(f, "{target} could not be looked up")
            }
            Self::SampleRate(problem) => fmt::Display::fmt(problem, f),
            Self::EventNotCounted { event, source } => match target_of(source) {
                Some(target) => write!(f, "this machine does not count {target}"),
                None => write!(f, "this machine does not count {event}"),
            },
            Self::ProcessorOffline { processor, source } => match target_of(source) {
                Some(target) => write!(f, "{target} cannot be opened: the processor is offline"),
                None => write!(f, "processor {processor} is offline"),
            },
            Self::NotACounter(target) => {
                write!(
                    f,
                    "{target} is not a counter, so it cannot be limited to one processor"
                )
            }
            Self::PinTaken { path, found } => {
                write!(f, "{} is taken by {}", path.display(), Taken(*found))
            }
            Self::SearchDenied { path, .. } => write!(
                f,
                "finding out which links for {} are our own needs CAP_SYS_ADMIN",
                path.display()
            ),
            Self::ExpectedRevision { path, revision } => write!(
                f,
                "the link for the pin {} is kept across restarts, so it cannot expect revision {revision} of its hook's programs",
                path.display()
            ),
            Self::TemporaryName { path } => write!(
                f,
                "{} has a name that is reserved for temporary pins",
                path.display()
            ),
            Self::OursFound { path, links } => {
                let path = path.display();
                write!(
                    f,
                    "the hook for {path} already has links of ours: {}",
                    Ids(links)
                )
            }
            Self::Overtaken { path, left } => {
                let (left, path) = (OrNothing(*left), path.display());
                write!(
                    f,
                    "another process kept changing {path}, and left {left} there"
                )
            }
            Self::OldProgramPutBack { .. } => {
                f.write_str("the new program could not be attached, and the old one was put back")
            }
            Self::OldProgramLost { source, put_back } => {
                let because = Because::unless_said(put_back.as_deref(), source);
                write!(
                    f,
                    "the new program could not be attached, and the old one could not be put back{because}"
                )
            }
            Self::OldLinkHeld { link, .. } => {
                write!(f, "link {link} is in the way and has not gone away")
            }
            Self::SetName { name } => write!(f, "{name:?} is not a valid name for a link in a set"),
            Self::NameInSet { name } => write!(f, "the set already has a link called {name}"),
            Self::NotInSet { name } => write!(f, "the set has no link called {name}"),
            Self::SameHook {
                names: [one, other],
            } => write!(
                f,
                "{one} and {other} are for the same hook, which takes only one program"
            ),
            Self::RootOfBpffs { path } => write!(
                f,
                "{} is the root of a bpffs: a set needs a directory of its own",
                path.display()
            ),
            Self::NoWayBack(source) => {
                match target_of(source) {
                    Some(old) => write!(f, "the old {old}")?,
                    None => f.write_str("what is attached")?,
                }
                f.write_str(" cannot be opened, so it could not be put back")
            }
            Self::SetNotApplied(failure) => fmt::Display::fmt(failure, f),
            Self::CreateDirectory { path, .. } => {
                write!(f, "the directory {} could not be created", path.display())
            }
            #[cfg(feature = "elf")]
            Self::Binary { path, problem } => write!(f, "{} {problem}", path.display()),
            #[cfg(feature = "elf")]
            Self::NoSuchBinary { name, searched } => {
                write!(f, "there is no {name} in {}", searched.display())
            }
            Self::File { path, .. } => write!(f, "{} could not be read", path.display()),
        }
    }
}

/// Writes what was refused, and the links that are not as before.
impl fmt::Display for SetFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "link {} of the set was refused", self.name)?;
        let mut changed = false;
        for (name, state) in &self.links {
            match state {
                LinkState::AsBefore => continue,
                LinkState::PutBack { link } => {
                    write!(
                        f,
                        "; the old program of {name} was put back, by link {link}"
                    )?;
                }
                LinkState::NotPutBack { source } => {
                    let because = Because::unless_said(source.as_ref(), &self.source);
                    write!(
                        f,
                        "; the old state of {name} could not be restored{because}"
                    )?;
                }
            }
            changed = true;
        }
        if changed {
            f.write_str("; everything else is as before")
        } else {
            f.write_str(", and everything is as before")
        }
    }
}

/// What a refused command was about.
fn target_of(source: &bpf_link::Error) -> Option<&Target> {
    source.command_error().map(bpf_link::CommandError::target)
}

/// What has the hook that a refused command was about.
fn owner_of(source: &bpf_link::Error) -> Option<&Target> {
    match target_of(source) {
        Some(Target::Hook { of, .. }) => of.as_deref(),
        target => target,
    }
}

/// The address of a place in the kernel, if it was given by that.
struct GivenAddress<'a>(&'a bpf_link::Error);

impl fmt::Display for GivenAddress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match target_of(self.0) {
            Some(address @ Target::Addresses(_)) => write!(f, " ({address})"),
            _ => Ok(()),
        }
    }
}

/// The process that a probe was to be in.
struct Process<'a>(&'a bpf_link::Error);

impl fmt::Display for Process<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match owner_of(self.0) {
            Some(Target::File {
                process: Some(process),
                ..
            }) => write!(f, " in process {process}"),
            _ => Ok(()),
        }
    }
}

/// Whether it was a link that was to be opened by its id.
fn was_opened_by_id(source: &bpf_link::Error) -> bool {
    source.command_error().map(CommandError::command) == Some(Command::LinkGetFdById)
}

/// The hook that a refused command was about.
struct Hook<'a>(&'a bpf_link::Error);

impl fmt::Display for Hook<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match target_of(self.0) {
            Some(target @ Target::Hook { .. }) => write!(f, "{target}"),
            Some(target) => write!(f, "the hook of {target}"),
            None => f.write_str("the hook"),
        }
    }
}

/// A program that does not fit.
struct Program<'a>(Option<&'a ProgramInfo>);

impl fmt::Display for Program<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(info) = self.0 else {
            return f.write_str("the program");
        };
        write!(f, "program {}", info.id)?;
        if !info.name.is_empty() {
            write!(f, " ({})", info.name.to_string_lossy())?;
        }
        write!(f, " of type {}", info.program_type)
    }
}

/// Who has a hook, or perhaps has it.
struct Holders<'a>(&'a [HookHolder]);

impl fmt::Display for Holders<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 4;
        match self.0.first() {
            None => return Ok(()),
            Some(holder) if holder.is_certain => f.write_str(" by ")?,
            Some(_) => f.write_str(", perhaps by ")?,
        }
        for (index, holder) in self.0.iter().take(SHOWN).enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{holder}")?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// The kind that was asked for, in words.
struct Expected(Option<LinkKind>);

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(kind) => write!(f, "not {kind}"),
            None => f.write_str("which has a type of its own"),
        }
    }
}

/// What is pinned instead, in words.
struct Taken(Option<LinkKind>);

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(kind) => write!(f, "a link of kind {kind}"),
            None => f.write_str("something that is not a link"),
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

/// How long the record is, if that is known.
struct Size(Option<u32>);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(size) => write!(f, "{size}-byte "),
            None => Ok(()),
        }
    }
}

/// Why something could not be undone.
struct Because<'a>(Option<&'a Error>);

impl<'a> Because<'a> {
    /// Nothing, if the error's source says the same.
    fn unless_said(error: Option<&'a Error>, source: &Error) -> Self {
        Self(error.filter(|error| error.to_string() != source.to_string()))
    }
}

impl fmt::Display for Because<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(error) => write!(f, " ({error})"),
            None => Ok(()),
        }
    }
}
