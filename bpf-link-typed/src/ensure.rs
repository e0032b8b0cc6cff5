//! Restarts and upgrades: whatever the last run left behind, end with this program attached here
//! and pinned there.

mod act;
mod decide;
mod ensured;
mod foresee;
pub(crate) mod hook_id;
mod look;
mod lookups;
pub(crate) mod member;
mod old_link;
mod options;
mod options_from;
mod other_pins;
mod ours;
mod outcome;
mod place;
mod plan;
mod recipe;
mod seen;
pub(crate) mod settings;
mod standing;

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use bpf_link::{PinEntry, PinLock, RawLink};

pub use ensured::Ensured;
pub use options_from::OptionsFrom;
pub use ours::Ours;
pub use outcome::{Attached, LeftOver, OldLink, Outcome, Why};
pub use plan::{Gap, Plan, Planned};
pub(crate) use recipe::{Blocks, KindLink, Match, Old, Recipe, Wanted};
pub use standing::{Standing, Stopped};

use crate::error::{Error, Result};
use crate::info::facts::KindFacts;
use act::{Run, Step, refused};
use decide::{Rules, decide};
use ensured::Left;
use foresee::{Stop, foresee};
use look::{look, search};
use old_link::Waiting;
use options::{Options, Trust};
use place::Place;
use seen::{Hook, Seen};

/// The options that a link of one kind is attached with: [`XdpAttach`](crate::XdpAttach) and so on,
/// a type for each kind.
///
/// What all of them have in common is that they can keep a link over restarts and upgrades:
/// [`ensure_pinned`](Self::ensure_pinned). This trait is implemented for them only.
pub trait Attach: Recipe + Sized {
    /// Whatever is there, end with a link by these options that is pinned at this path on a bpffs:
    /// see [`Ensure`].
    ///
    /// Nothing is done before [`Ensure::run`].
    fn ensure_pinned(self, path: impl AsRef<Path>) -> Ensure<Self> {
        Ensure {
            to: self,
            options: Options {
                path: path.as_ref().to_owned(),
                parents: None,
                trust: Trust::default(),
                lock_within: PinLock::PATIENCE,
                replace_other: false,
                keep_unreported: false,
                restore_position: false,
                ours: None,
                wait_for_old: None,
            },
        }
    }
}

/// The options that a program is attached with: all but
/// [`StructOpsAttach`](crate::StructOpsAttach), which is of a map.
///
/// Code that is about more than one kind attaches by it. Each kind's own `attach` does the same,
/// and says what can go wrong.
///
/// ```no_run
/// use bpf_link_typed::{AttachProgram, RawLink};
///
/// # fn example() {
/// fn attach_all<A: AttachProgram>(to: &[A], program: &std::fs::File) -> bpf_link_typed::Result<Vec<RawLink>> {
///     to.iter().map(|to| Ok(to.attach(program)?.into())).collect()
/// }
/// # }
/// ```
pub trait AttachProgram: Attach {
    /// Attaches the program. The program stays the caller's.
    ///
    /// # Errors
    ///
    /// What the kind's own `attach` says.
    fn attach(&self, program: impl AsFd) -> Result<Self::Link>;
}

/// Ends with a link on one hook that runs one program and is pinned at one path, whatever an
/// earlier run has left behind.
///
/// This is what an agent calls when it starts, the first time and every time after that, in the
/// same version or another. It has no state of its own: all that it goes by is the pin and what the
/// kernel says. [`Attach::ensure_pinned`] makes it, and [`run`](Self::run) does it.
///
/// ```no_run
/// use bpf_link_typed::ensure::{Ours, Outcome};
/// use bpf_link_typed::{Attach as _, TcxAttach, TcxHook};
///
/// # fn example(program: std::fs::File) -> bpf_link_typed::Result<()> {
/// let ensured = TcxAttach::to("eth0", TcxHook::Ingress)
///     .ensure_pinned("/sys/fs/bpf/agent/eth0_ingress")
///     .create_parents(0o700)
///     .take_over(Ours::by_name(c"agent_ingress"))
///     .run(&program)?;
/// match ensured.outcome {
///     Outcome::Updated { previous } => println!("took over from {previous}"),
///     outcome => println!("{outcome}"),
/// }
/// // When the agent ends, the program stays. To take it off as well, unless another has taken over:
/// println!("{}", ensured.stop()?);
/// # Ok(())
/// # }
/// ```
#[doc = ""]
#[doc = include_str!("ensure/decisions.md")]
#[doc = ""]
/// Another link takes the place of one like this: it is attached first, pinned beside the path
/// ([`temporary_pin`](bpf_link::temporary_pin)), and renamed over the pin in one step. Then the old
/// link is detached, or closed if it cannot be detached. So no event is missed, and some are seen
/// by both programs. Only where the hook takes one program and the kernel refuses the new one
/// beside the old, the old one goes first, and the outcome says that there was a gap. If the new
/// one cannot be attached then, the old one is put back.
///
/// # Which kinds
///
/// | kind | another program | what tells the hook, and the options that are compared |
/// |---|---|---|
/// | [`cgroup`](crate::CgroupAttach) | in place | the cgroup, which has to be on cgroup2; the attach type (for `Lsm` the hook that the programs were loaded for) |
/// | [`netns`](crate::NetnsAttach) | in place | the namespace, the attach type |
/// | [`xdp`](crate::XdpAttach) | in place; to another mode, and between programs with and without an attach type, a gap | the device; the mode, where one is asked for |
/// | [`tcx`](crate::TcxAttach), [`netkit`](crate::NetkitAttach) | in place | the hook's own list of links |
/// | [`sockmap`](crate::SockmapAttach) | in place | the map, the attach type |
/// | [`iter`](crate::IterAttach) | in place | what it goes over |
/// | [`struct_ops`](crate::StructOpsAttach) | in place, if the name is the same and the subsystem can; otherwise another link, with a gap if the name is | the sort of struct |
/// | [`netfilter`](crate::NetfilterAttach) | another link, with a gap | family, hook, priority, fragments |
/// | [`raw_tracepoint`](crate::RawTracepointAttach) | another link | the tracepoint, the cookie |
/// | [`tracing`](crate::TracingAttach) | another link; for an extension with a gap | the function, the attach type, the cookie |
/// | [`perf_event`](crate::PerfEventAttach) | another link | the event, the cookie |
/// | [`kprobe_multi`](crate::KprobeMultiAttach), [`uprobe_multi`](crate::UprobeMultiAttach), [`tracing_multi`](crate::TracingMultiAttach) | another link | the functions or places, when the program runs, the cookies; the process |
///
/// The mode of xdp is told by the device. Without [`mode`](crate::XdpAttach::mode), either will do:
/// a link that is there keeps the one that it has. The position of a tcx, netkit or cgroup link is
/// told by the hook's list: a link that is not in the position that was asked for stays where it
/// is, and [`Ensured::is_in_place`] says so, unless it is to be put back
/// ([`restore_position`](Self::restore_position)). `preorder` is not part of any info: it is not
/// compared, and a link that is updated keeps what it has.
///
/// # What the kernel does not report
///
/// | kind | not reported |
/// |---|---|
/// | [`raw_tracepoint`](crate::RawTracepointAttach), [`tracing`](crate::TracingAttach) | the cookie, before Linux 6.17 |
/// | [`kprobe_multi`](crate::KprobeMultiAttach) | the functions, where they are given by symbol, or addresses are hidden; all of them before Linux 6.6; the cookies before 6.9 |
/// | [`uprobe_multi`](crate::UprobeMultiAttach) | the process, of a link on every process: the kernel reports the same of a process that has exited; everything before Linux 6.8 |
/// | [`perf_event`](crate::PerfEventAttach) | the process of a uprobe; the thread, the processor, and the period or frequency of a counter, and what it inherits; the event before Linux 6.6; the cookie before 6.9; all of an event that the caller has opened |
///
/// A link of these that runs the program already may have other options, so it is replaced by one
/// with the options that are wanted, and the outcome says [`Why::NotReported`]:
/// [`keep_unreported`](Self::keep_unreported) keeps it. The program that is there already is
/// attached again, without a gap if the hook takes the same program twice. The kernel does not
/// allow that for tracing programs, programs on tracepoints (of a perf event; raw ones before Linux
/// 6.10) and `tracing_multi` programs: there, replacing a program with itself leaves a gap. Linux
/// 5.10 attaches a tracing program only once, so there this is an error, and changes nothing.
///
/// # What is certain
///
/// - Killed between any two system calls, the next run comes to the same end. The program is
///   attached all the time, where the outcome would have been one without a gap.
/// - Processes that do this at the same time, for pins in one directory, take turns: [`PinLock`].
///   There is one link and one pin at the end, of the program of the last of them.
/// - Processes that skip the lock are detected where the kernel can: an update expects the program
///   that was seen, and what is pinned is looked at again before it is replaced, and at the end.
///   After some attempts, [`Error::Overtaken`] says what they have left.
/// - Every run leaves a pin that is a file of its own, also one that finds its program running. So
///   an agent can tell whether another has taken over ([`Ensured::is_ours`]), and one that stops
///   never takes off its successor's program ([`Ensured::stop`]).
/// - Nobody but root and us can change what is pinned, or where the path leads to, unless that was
///   allowed: directories of other users
///   ([`allow_shared_directories`](Self::allow_shared_directories)) and pins of other users
///   ([`allow_other_owner`](Self::allow_other_owner)) are refused.
/// - Nobody waits for the lock for ever: [`lock_within`](Self::lock_within).
/// - Nothing is attached before it is known that it can be pinned: the directory is on a bpffs, and
///   the name is allowed.
/// - A program that is refused changes nothing, but for hooks with a gap, where
///   [`Error::OldProgramPutBack`] says so.
///
/// # What is not
///
/// - Somebody who neither asks for the lock nor minds what is there can replace the pin between the
///   last look and the rename.
/// - Without a pin, links of ours are found only if it is said how they are known.
/// - A link that another process holds, or that has another pin, is detached only if its kind can
///   be: otherwise its program goes on running beside the new one. The outcome says
///   [`OldLink::Released`]; whether somebody holds it is looked at only if that is asked for
///   ([`wait_for_old`](Self::wait_for_old)).
/// - A hook that takes one program may still be taken for a moment by a link that nobody holds any
///   more. The attempt is made again for at most a second, with the lock; then the error says who
///   has the hook.
/// - Without `CAP_SYS_ADMIN` no program can be opened by its id: an update then goes by the lock
///   alone, and an old program cannot be put back.
/// - The info of xdp and netfilter links does not say in which network namespace they are. An
///   attempt to attach tells whether the hook here is free; where it is taken by somebody else's
///   program, a link of ours on a device of the same number, or at the same priority, in another
///   namespace passes for being here.
/// - The kernel does not say whether a netfilter link is attached: one that somebody has detached,
///   and whose priority somebody else has taken since, passes for attached.
#[derive(Clone)]
#[must_use = "nothing is done before `run`"]
pub struct Ensure<A> {
    pub(crate) to: A,
    options: Options,
}

impl<A: fmt::Debug> fmt::Debug for Ensure<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ensure")
            .field("to", &self.to)
            .field("options", &self.options)
            .finish()
    }
}

/// How often the pin and its link may change under our eyes.
const ATTEMPTS: usize = 16;

impl<A: Attach> Ensure<A> {
    pub(crate) fn run_with(&self, object: BorrowedFd<'_>) -> Result<Ensured<A::Link>> {
        let mut ensured = self.for_one_run().run_locked(object)?;
        if let Some(time) = self.options.wait_for_old {
            ensured.outcome.settle(&mut Waiting::for_at_most(time))?;
        }
        Ok(ensured)
    }

    fn for_one_run(&self) -> Self {
        Self {
            to: self.to.for_one_run(),
            options: self.options.clone(),
        }
    }

    /// The part of a run that needs the lock.
    fn run_locked(&self, object: BorrowedFd<'_>) -> Result<Ensured<A::Link>> {
        let wanted = Wanted::of(object, A::Link::KIND)?;
        self.to.check_options(&self.options.path)?;
        let place = Place::new(&self.options.path, self.options.trust)?;
        place.with_parents(self.options.parents, || self.run_at(&place, &wanted))
    }

    /// A run, with the directories there.
    fn run_at(&self, place: &Place, wanted: &Wanted<'_>) -> Result<Ensured<A::Link>> {
        let _lock = PinLock::of_within(&place.path, self.options.lock_within)?;
        place.check_owner()?;
        let rules = self.rules(wanted);
        let mut run = Run::new(&self.to, &self.options, place, wanted);
        for _ in 0..ATTEMPTS {
            let mut seen = look(&self.to, wanted, place)?;
            run.refusal = None;
            loop {
                let step = run.act(decide(&seen, &rules), &mut seen);
                match step.map_err(|refusal| self.to.name_holders(refusal))? {
                    Step::Done(link, outcome, file) => {
                        let left = Left {
                            link: link.raw().id()?,
                            file,
                            attached: wanted.attached,
                            lock_within: self.options.lock_within,
                            ask: |link: &A::Link| Ok(A::attached(&link.ask()?)),
                            path: place.path.clone(),
                        };
                        return Ok(Ensured {
                            left,
                            is_in_place: self.to.in_place(&link)?,
                            link,
                            outcome,
                            taken_over: run.taken_over,
                            left_over: run.left_over,
                        });
                    }
                    Step::Again => break,
                    Step::Learned => {}
                }
            }
        }
        if let Some(refusal) = run.refusal {
            return Err(refusal);
        }
        let left = RawLink::from_pinned(&place.path).and_then(|link| link.id());
        Err(Error::Overtaken {
            left: left.ok(),
            path: place.path.clone(),
        })
    }

    pub(crate) fn plan_with(&self, object: BorrowedFd<'_>) -> Result<Plan> {
        self.for_one_run().plan_once(object)
    }

    fn plan_once(&self, object: BorrowedFd<'_>) -> Result<Plan> {
        let wanted = Wanted::of(object, A::Link::KIND)?;
        self.to.check_options(&self.options.path)?;
        let place = Place::new(&self.options.path, self.options.trust)?;
        place.check_directories()?;
        place.check_owner()?;
        let directories = match self.options.parents {
            Some(_) => place.missing_parents()?,
            None => Vec::new(),
        };
        let mut seen = if directories.is_empty() {
            place.check()?;
            look(&self.to, &wanted, &place)?
        } else {
            Seen {
                at_path: PinEntry::Missing,
                beside: PinEntry::Missing,
                ours: None,
                hook: Hook::NotTried,
                update_refused: false,
            }
        };
        let mut search = |but| match &self.options.ours {
            Some((ours, _)) => search(&self.to, &wanted, ours, but, &place.path),
            None => Ok(Vec::new()),
        };
        match foresee(&mut seen, &self.rules(&wanted), &mut search) {
            Ok((left_over, planned)) => Ok(Plan {
                directories,
                left_over,
                planned,
            }),
            Err(Stop::Failed(error)) => Err(error),
            Err(Stop::Refused(refusal)) => Err(refused(refusal, &place, &seen)),
        }
    }

    fn rules(&self, wanted: &Wanted<'_>) -> Rules {
        Rules {
            replace_other: self.options.replace_other,
            keep_unreported: self.options.keep_unreported,
            restore_position: self.options.restore_position,
            ours: self.options.ours.as_ref().map(|(_, about)| *about),
            ..rules_of::<A>(wanted)
        }
    }
}

/// What holds for all links of the kind.
fn rules_of<A: Recipe>(wanted: &Wanted<'_>) -> Rules {
    let kind = A::Link::KIND;
    let if_free = match KindFacts::of(kind).and_then(|facts| facts.gone) {
        Some(_) => Why::OtherHook,
        // The info of a detached netfilter link is that of an attached one.
        None => Why::NotHere,
    };
    Rules {
        wanted: wanted.attached,
        replace_other: false,
        keep_unreported: false,
        restore_position: false,
        ours: None,
        is_updatable: kind.updated_by().is_some(),
        attempt_tells: A::ATTEMPT_TELLS.then_some(if_free),
    }
}

impl<A: AttachProgram> Ensure<A> {
    /// Does it: ends with a link on the hook that runs this program and is pinned at the path.
    ///
    /// The program stays the caller's. The link remembers its pin; dropping it leaves it to the
    /// pin.
    ///
    /// # Errors
    ///
    /// Nothing is changed, besides that a killed run's left-over is finished or removed, with
    ///
    /// - [`Error::PinTaken`]: something else is pinned at the path.
    /// - [`Error::TemporaryName`]: the name is one that pins have on the way to their place.
    /// - [`Error::Link`] with [`Exposed`](bpf_link::Error::Exposed) (another user can change what
    ///   is pinned, or where the path leads to) or [`LockHeld`](bpf_link::Error::LockHeld)
    ///   (`EWOULDBLOCK`: another process has the lock).
    /// - [`Error::OursFound`]: links of ours are on the hook, and were to be reported, or are more
    ///   than one.
    /// - [`Error::SearchDenied`] (`EPERM`): to look for links of ours takes `CAP_SYS_ADMIN`.
    /// - [`Error::ExpectedRevision`]: a revision of the hook's list was to be expected, which an
    ///   update in place does not do.
    /// - [`Error::Link`] with [`NotOnBpffs`](bpf_link::Error::NotOnBpffs),
    ///   [`PinName`](bpf_link::Error::PinName), [`PathNotFound`](bpf_link::Error::PathNotFound)
    ///   (`ENOENT`: a directory is missing), and what else [`PinLock::of`] and
    ///   [`RawLink::pin_over`] refuse.
    /// - [`Error::Link`] with [`NotAProgram`](bpf_link::Error::NotAProgram) (`EINVAL`).
    /// - [`Error::CreateDirectory`]: a parent could not be made.
    /// - [`Error::AttachTypeMismatch`] (`EINVAL`): the program is for another hook (cgroups).
    /// - [`Error::AlreadyAttached`] (`EEXIST`): another link on the hook runs this program already
    ///   (tcx, netkit).
    /// - What the kind's own `attach` refuses, such as [`Error::HookTaken`] where it is somebody
    ///   else's program that has the hook.
    ///
    /// Something may have changed, with
    ///
    /// - [`Error::Overtaken`]: somebody else was faster, each time.
    /// - [`Error::OldProgramPutBack`]: the new program could not be attached after the old one was
    ///   taken off.
    /// - [`Error::OldProgramLost`]: the same, and the old one could not be put back.
    /// - [`Error::OldLinkHeld`]: the old link is in the way, and has not gone. It is pinned as it
    ///   was.
    ///
    /// # Kernel
    ///
    /// What the kind needs, with `BPF_LINK_UPDATE`, `BPF_OBJ_PIN`, `flock(2)` and `rename(2)`.
    pub fn run(&self, program: impl AsFd) -> Result<Ensured<A::Link>> {
        self.run_with(program.as_fd())
    }

    /// What [`run`](Self::run) would do now. Nothing is changed: no link is attached, updated or
    /// detached, and no pin, directory or lock is made.
    ///
    /// Where only an attempt to attach can tell whether the hook is free, which is so for xdp and
    /// netfilter, the plan says what each answer would lead to: [`Planned::Attempt`].
    ///
    /// ```no_run
    /// use bpf_link_typed::{Attach as _, TcxAttach, TcxHook};
    ///
    /// # fn example(program: std::fs::File) -> bpf_link_typed::Result<()> {
    /// let ensure = TcxAttach::to("eth0", TcxHook::Ingress)
    ///     .ensure_pinned("/sys/fs/bpf/agent/eth0_ingress");
    /// // Such as "update link 7, instead of program 34".
    /// println!("{}", ensure.plan(&program)?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`run`](Self::run) with which nothing is changed, as far as they show without an
    /// attempt.
    pub fn plan(&self, program: impl AsFd) -> Result<Plan> {
        self.plan_with(program.as_fd())
    }
}
