//! One operation, done once with one fault.

use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};
use bpf_link::RawLink;
use bpf_link_tests::{Hook, Netns, Program, Sandbox, links, pins};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::call::{Call, Class};
use crate::observation::Outcome;

/// What makes an operation fail.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// The call of this position, counted from 1, is made to fail by the tracer of this process.
    Injected(Call, Class, usize),
    /// There are only so many descriptors left.
    Descriptors(usize),
}

/// An operation that is done once.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    pub(crate) sandbox: &'a Sandbox,
    fault: Fault,
    pub(crate) attempted: Option<Attempted>,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Attempted {
    pub(crate) thread: i32,
    pub(crate) was_hit: bool,
    pub(crate) outcome: Outcome,
    pub(crate) otherwise: Outcome,
}

/// An error of one of the libraries.
pub(crate) trait Refusal: std::error::Error + Send {
    fn errno(&self) -> Option<i32>;
}

impl Refusal for bpf_link::Error {
    fn errno(&self) -> Option<i32> {
        self.errno()
    }
}

impl Refusal for bpf_link_typed::Error {
    fn errno(&self) -> Option<i32> {
        self.errno()
    }
}

impl Refusal for bpf_link::Rejected<OwnedFd> {
    fn errno(&self) -> Option<i32> {
        self.error().errno()
    }
}

impl<L: Send + std::fmt::Debug> Refusal for bpf_link_typed::Rejected<L> {
    fn errno(&self) -> Option<i32> {
        self.error().errno()
    }
}

impl<'a> Run<'a> {
    pub(crate) fn new(sandbox: &'a Sandbox, fault: Fault) -> Self {
        Self {
            sandbox,
            fault,
            attempted: None,
        }
    }

    /// Does what has to work without a fault. `None` where it was refused.
    pub(crate) fn attempt<T: Send, E: Refusal>(
        &mut self,
        work: impl FnOnce() -> Result<T, E> + Send,
    ) -> Result<Option<T>> {
        match self.attempt_whatever(Outcome::Done, work)? {
            Ok(done) => Ok(Some(done)),
            Err(_) => Ok(None),
        }
    }

    /// Does what has to be refused also without a fault, with this error number if any.
    pub(crate) fn attempt_in_vain<T: Send, E: Refusal>(
        &mut self,
        errno: Option<i32>,
        work: impl FnOnce() -> Result<T, E> + Send,
    ) -> Result<E> {
        let otherwise = Outcome::Refused(errno, String::new());
        match self.attempt_whatever(otherwise, work)? {
            Ok(_) => bail!("it was not refused"),
            Err(error) => Ok(error),
        }
    }

    /// Does it in a thread of its own, whose calls are counted from its beginning.
    pub(crate) fn attempt_whatever<T: Send, E: Refusal>(
        &mut self,
        otherwise: Outcome,
        work: impl FnOnce() -> Result<T, E> + Send,
    ) -> Result<Result<T, E>> {
        ensure!(self.attempted.is_none(), "attempted twice");
        let fault = self.fault;
        let thread = std::thread::scope(|scope| scope.spawn(move || under(fault, work)).join());
        let Ok(attempted) = thread else {
            bail!("it panicked");
        };
        let (result, thread, was_hit) = attempted?;
        self.attempted = Some(Attempted {
            thread,
            was_hit,
            outcome: match &result {
                Ok(_) => Outcome::Done,
                Err(error) => Outcome::Refused(error.errno(), chain(error)),
            },
            otherwise,
        });
        Ok(result)
    }

    /// A path on the bpffs.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.sandbox.bpffs().join(name)
    }

    /// Fails unless just these names on the bpffs are pins of the link.
    pub(crate) fn ensure_pinned(&self, link: &RawLink, names: &[&str]) -> Result<()> {
        let id = links::LinkInfo::of(link)?.id();
        let mut expected: Vec<_> = names.iter().map(|name| self.path(name)).collect();
        let mut found = self.sandbox.pinned()?;
        expected.sort();
        found.sort();
        ensure!(found == expected, "pinned are {found:?}, not {expected:?}");
        for path in &found {
            let pinned = links::LinkInfo::of(&pins::open(path)?)?.id();
            let path = path.display();
            ensure!(pinned == id, "link {pinned} is at {path}, not {id}");
        }
        Ok(())
    }
}

/// What an error says, with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words
}

/// Does it with the fault; also says in which thread, and whether the fault was met.
fn under<T, E>(
    fault: Fault,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<(Result<T, E>, i32, bool)> {
    let thread = rustix::thread::gettid().as_raw_nonzero().get();
    let (result, was_hit) = match fault {
        Fault::Injected(call, class, position) => {
            let before = call.place(class) - position;
            let undisturbed = (0..before).all(|_| call.make_in_vain());
            ensure!(undisturbed, "the fault came before the operation");
            let result = work();
            // Calls that the operation has not made are made here, so that the fault is met in any
            // case.
            let undisturbed = (0..position).all(|_| call.make_in_vain());
            (result, undisturbed)
        }
        Fault::Descriptors(left) => {
            let result = with_descriptors(left, work)?;
            let was_hit = result.is_err();
            (result, was_hit)
        }
    };
    Ok((result, thread, was_hit))
}

/// Does something while the process has so many descriptors left.
fn with_descriptors<T>(left: usize, work: impl FnOnce() -> T) -> Result<T> {
    let before = getrlimit(Resource::Nofile);
    // What duplicates a descriptor wants a number from 3 up, and gets another error if the limit is
    // no larger than that.
    let _third = rustix::stdio::stderr().try_clone_to_owned()?;
    // Descriptors are given from the smallest free number up, and the limit is the first number
    // that is not given.
    let free: Vec<OwnedFd> = (0..=left)
        .map(|_| rustix::stdio::stderr().try_clone_to_owned())
        .collect::<Result<_, _>>()?;
    let limit = free.last().context("there is one")?.as_fd().as_raw_fd();
    drop(free);
    let lowered = Rlimit {
        current: Some(limit.try_into()?),
        maximum: before.maximum,
    };
    setrlimit(Resource::Nofile, lowered).context("lowering the limit")?;
    let result = work();
    setrlimit(Resource::Nofile, before).context("raising the limit again")?;
    Ok(result)
}

/// Fails unless the kernel has this program on the link.
pub(crate) fn ensure_program(link: &RawLink, program: &Program) -> Result<()> {
    let (found, expected) = (links::LinkInfo::of(link)?.program_id(), program.id()?);
    ensure!(found == expected, "program {found}, not {expected}");
    Ok(())
}

/// The index of `lo`, the first device of every network namespace.
pub(crate) const LOOPBACK: u32 = 1;

/// A new flow dissector.
pub(crate) fn dissector() -> Result<Program> {
    Program::passing(Hook::FLOW_DISSECTOR)
}

/// A link of this program on the network namespace, which takes one.
///
/// An operation that can be done to any link is done to one of these: nobody waits for the kernel
/// when they come and go, while XDP programs wait for each other on the whole machine.
pub(crate) fn dissecting(program: &Program) -> Result<RawLink> {
    let netns = Netns::current()?;
    let request =
        bpf_link::LinkCreate::new(program, bpf_link::AttachType::FlowDissector).target_fd(&netns);
    Ok(RawLink::create(&request)?)
}

/// Whether there is a flow dissector: one more cannot be put there, then.
pub(crate) fn is_dissected() -> Result<bool> {
    let (netns, program) = (Netns::current()?, dissector()?);
    let target = bpf_link_tests::sys::LinkTarget::Fd(netns.as_fd());
    is_taken(
        &program,
        target,
        bpf_link_sys::BPF_FLOW_DISSECTOR,
        libc::E2BIG,
    )
}

/// A new XDP program.
pub(crate) fn xdp_program() -> Result<Program> {
    Program::passing(Hook::XDP)
}

/// What is asked for to have an XDP program on `lo`.
pub(crate) fn xdp_request(program: &Program) -> bpf_link::LinkCreate<'_> {
    bpf_link::LinkCreate::new(program, bpf_link::AttachType::Xdp).target_ifindex(LOOPBACK)
}

/// Whether an XDP program is on `lo`: one more cannot be put there, then.
pub(crate) fn is_lo_taken() -> Result<bool> {
    let target = bpf_link_tests::sys::LinkTarget::Ifindex(LOOPBACK);
    is_taken(&xdp_program()?, target, bpf_link_sys::BPF_XDP, libc::EBUSY)
}

/// Whether this error number is the answer to one more program.
fn is_taken(
    program: &Program,
    target: bpf_link_tests::sys::LinkTarget<'_>,
    attach_type: u32,
    errno: i32,
) -> Result<bool> {
    match bpf_link_tests::sys::link_create(program.as_fd(), target, attach_type, 0) {
        Ok(_) => Ok(false),
        Err(error) if error.raw_os_error() == Some(errno) => Ok(true),
        Err(error) => Err(error.into()),
    }
}
