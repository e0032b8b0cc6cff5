//! Attaching to a perf event.

use std::os::fd::{AsFd, BorrowedFd};

use bpf_link::{AttachType, LinkCreate, PerfEventArgs, ProgramType, RawLink};

use super::PerfEventLink;
use super::counted::processors;
use super::events::PerfTarget;
use super::holders;
use crate::attach::fit;
use crate::attach::tracefs::Tracepoint;
use crate::error::{Error, Result};

/// Attaches a program to a perf event: a tracepoint, a kprobe or uprobe, a counter, or an event of
/// the caller's.
///
/// ```no_run
/// use bpf_link_typed::{KprobeEvent, PerfEventAttach, TracepointEvent, UprobeEvent};
///
/// # fn example(tracepoint: std::fs::File, kprobe: std::fs::File) -> bpf_link_typed::Result<()> {
/// let link = PerfEventAttach::to(TracepointEvent::new("sched", "sched_switch"))
///     .cookie(7)
///     .attach(&tracepoint)?;
/// let link = PerfEventAttach::to(KprobeEvent::at(c"vfs_read", 0).on_return()).attach(&kprobe)?;
/// let link = PerfEventAttach::to(UprobeEvent::at("/usr/bin/workload", 0x1139).pid(4711))
///     .attach(&kprobe)?;
/// println!("{:?}", link.info()?.event);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is attached before the program is given"]
pub struct PerfEventAttach<'a> {
    pub(super) target: PerfTarget<'a>,
    pub(super) cookie: Option<u64>,
}

impl<'a> PerfEventAttach<'a> {
    /// To this.
    pub fn to(target: impl Into<PerfTarget<'a>>) -> Self {
        Self {
            target: target.into(),
            cookie: None,
        }
    }

    /// To this perf event of the caller's, which runs the program while it is enabled.
    pub fn to_event(event: &'a (impl AsFd + ?Sized)) -> Self {
        Self::to(PerfTarget::Fd(event.as_fd()))
    }

    /// What `bpf_get_attach_cookie` gives the program.
    pub fn cookie(mut self, cookie: u64) -> Self {
        self.cookie = Some(cookie);
        self
    }

    /// Opens the event, unless it is the caller's, and attaches the program: it runs as long as the
    /// link has a descriptor or a pin.
    ///
    /// The program stays the caller's. The link keeps the event, whose descriptor is closed again.
    ///
    /// # Errors
    ///
    /// - [`Error::NoSuchTracepoint`] (`ENOENT` in tracefs), [`Error::TracepointName`]: it cannot be
    ///   one.
    /// - [`Error::ReadsBeyondRecord`] (`EACCES`): the program reads more than the tracepoint
    ///   records. Also for an event of the caller's.
    /// - For a kprobe [`Error::SymbolNotFound`] (`ENOENT`): the kernel has no function of this
    ///   name; [`Error::AmbiguousSymbol`] (`EADDRNOTAVAIL`): several functions have it, and before
    ///   Linux 6.7 the kernel is not asked, as it would take the first;
    ///   [`Error::InsideInstruction`] (`EILSEQ`, on arm64 and s390x `EINVAL`): no instruction
    ///   begins there; [`Error::BeyondFunction`]: the place is beyond the end of the function;
    ///   [`Error::NotToBeProbed`] (`EINVAL`): the kernel keeps probes off the function;
    ///   [`Error::LockedDown`] (`EPERM`): off every function.
    /// - For a uprobe [`Error::InstructionNotProbed`] (number 524): the instruction there cannot be
    ///   probed.
    /// - For a counter [`Error::SampleRate`]: the kernel does not take this period or frequency;
    ///   [`Error::EventNotCounted`] (`ENOENT`): this machine does not count the event;
    ///   [`Error::ProcessorOffline`] (`ENODEV`).
    /// - [`Error::NoEventSource`]: the kernel has no kprobes, or no uprobes.
    /// - [`Error::EventLookup`]: the kernel's files about the event could not be read, for example
    ///   because tracefs is not mounted.
    /// - [`Error::AttachTypeMismatch`] (`EINVAL`): the program is for another sort of event.
    /// - [`Error::ProgramRefused`] (`EINVAL`): it may be for another sort of event than the
    ///   caller's; or this kernel has no such links.
    /// - [`Error::AlreadyAttached`] (`EEXIST`): the program is on this tracepoint already.
    /// - [`Error::HookTaken`]: the caller's event runs a program already (`EEXIST`), or the
    ///   tracepoint or probe has 64 programs, which is the maximum (`E2BIG`).
    /// - [`Error::Link`] with
    ///   - [`NotAProgram`](bpf_link::Error::NotAProgram): what was given is not a program;
    ///   - [`UnsupportedByKernel`](bpf_link::Error::UnsupportedByKernel) (`EOPNOTSUPP`);
    ///   - [`PermissionDenied`](bpf_link::Error::PermissionDenied) (`EACCES`, `EPERM`): the caller
    ///     lacks `CAP_PERFMON`;
    ///   - [`InvalidRequest`](bpf_link::Error::InvalidRequest): the symbol or the path is empty;
    ///   - [`Command`](bpf_link::Error::Command) for `perf_event_open(2)`: as
    ///     [`PerfEvent::open`](bpf_link::PerfEvent::open);
    ///   - [`Command`](bpf_link::Error::Command) and `EEXIST`: the caller's event runs a program
    ///     already, or its tracepoint has this one, and without `CAP_SYS_ADMIN` the two cannot be
    ///     told apart; `EBADF`: the descriptor is not a perf event.
    ///
    /// # Kernel
    ///
    /// `perf_event_open(2)` and `BPF_LINK_CREATE`, since Linux 5.15; it ends in
    /// `bpf_perf_link_attach` (7.3).
    pub fn attach(&self, program: impl AsFd) -> Result<PerfEventLink> {
        let event = match &self.target {
            PerfTarget::Fd(event) => {
                let created = self.create(&program, *event).map(PerfEventLink);
                return created.map_err(|source| match source.errno() {
                    Some(libc::EEXIST) => holders::with_program_of(*event, source),
                    _ => self.refused(&program, *event, source),
                });
            }
            PerfTarget::Tracepoint(event) => event.open(),
            PerfTarget::Kprobe(event) => event.open(),
            PerfTarget::Uprobe(event) => event.open(),
            PerfTarget::Counter(event) => event.open(),
        }?;
        match self.create(&program, event.as_fd()) {
            Ok(link) => Ok(PerfEventLink(link)),
            // The event is new, and so has no program.
            Err(source) => {
                let source = source.naming(self.target.named());
                Err(match source.errno() {
                    Some(libc::EEXIST) => Error::AlreadyAttached(source),
                    _ => self.refused(&program, event.as_fd(), source),
                })
            }
        }
    }

    /// The same counter on each processor that is online, by their numbers.
    pub(crate) fn on_each_processor(self) -> Result<Vec<(u32, Self)>> {
        let PerfTarget::Counter(event) = &self.target else {
            return Err(Error::NotACounter(self.target.named()));
        };
        let on = |processor| Self {
            target: event.processor(processor).into(),
            ..self.clone()
        };
        let online = processors()?.into_iter();
        Ok(online.map(|number| (number, on(number))).collect())
    }

    fn refused(
        &self,
        program: &(impl AsFd + ?Sized),
        event: BorrowedFd<'_>,
        source: bpf_link::Error,
    ) -> Error {
        match source.errno() {
            Some(libc::EACCES) => self.reads_beyond_record(source),
            Some(libc::E2BIG) if matches!(source, bpf_link::Error::Command(_)) => {
                let name = self.tracepoint().map(|tracepoint| tracepoint.name);
                let holders = holders::of_tracepoint(event, name).unwrap_or_default();
                Error::HookTaken { holders, source }
            }
            _ => self.does_not_fit(program, source),
        }
    }

    fn tracepoint(&self) -> Option<Tracepoint<'_>> {
        match &self.target {
            PerfTarget::Tracepoint(event) => Some(event.tracepoint()),
            _ => None,
        }
    }

    fn does_not_fit(&self, program: &(impl AsFd + ?Sized), source: bpf_link::Error) -> Error {
        let types: &[ProgramType] = match &self.target {
            PerfTarget::Fd(_) => &[
                ProgramType::Kprobe,
                ProgramType::Tracepoint,
                ProgramType::PerfEvent,
            ],
            PerfTarget::Tracepoint(_) => &[ProgramType::Tracepoint],
            PerfTarget::Kprobe(_) | PerfTarget::Uprobe(_) => &[ProgramType::Kprobe],
            PerfTarget::Counter(_) => &[ProgramType::PerfEvent],
        };
        let program = program.as_fd();
        match (
            &self.target,
            fit::by_types(program, AttachType::PerfEvent, types, source),
        ) {
            // Nobody says of which sort an open event is.
            (PerfTarget::Fd(_), Error::Link(source)) if source.errno() == Some(libc::EINVAL) => {
                fit::perhaps_mismatch(program, AttachType::PerfEvent, source)
            }
            (_, error) => error,
        }
    }

    /// `EACCES`: the creation of a link on an event has no other reason for it than that the
    /// program reads beyond the tracepoint's record. A missing privilege is `EPERM` there.
    fn reads_beyond_record(&self, source: bpf_link::Error) -> Error {
        let tracepoint = self.tracepoint();
        Error::ReadsBeyondRecord {
            tracepoint: tracepoint.map(|tracepoint| tracepoint.to_string().into()),
            size: tracepoint.and_then(|tracepoint| tracepoint.record_size()),
            source,
        }
    }

    fn create(
        &self,
        program: &(impl AsFd + ?Sized),
        event: BorrowedFd<'_>,
    ) -> bpf_link::Result<RawLink> {
        let request = LinkCreate::new(program, AttachType::PerfEvent).target_fd(&event);
        RawLink::create(&match self.cookie {
            Some(cookie) => request.args(PerfEventArgs::cookie(cookie)),
            None => request,
        })
    }
}
