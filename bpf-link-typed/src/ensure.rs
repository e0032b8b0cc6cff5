//! Restarts and upgrades: make sure that a program is attached here and pinned there, whatever the
//! last run left.

mod act;
mod decide;
mod ensured;
mod foresee;
pub(crate) mod hook_id;
mod look;
mod lookups;
pub(crate) mod member;
mod old_link;
pub(crate) mod on_hook;
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
pub use outcome::{Attached, Displaced, LeftOver, OldLink, Outcome, Why};
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
/// All of them can keep a link across restarts and upgrades:
/// [`ensure_pinned`](Self::ensure_pinned). No other type implements this trait.
pub trait Attach: Recipe + Sized {
    /// Makes sure that a link with these options exists and is pinned at this path on a bpffs: see
    /// [`Ensure`].
    ///
    /// Nothing happens until [`Ensure::run`] is called.
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
/// [`StructOpsAttach`](crate::StructOpsAttach), which takes a map.
///
/// For code that handles more than one kind. Each kind has its own `attach`, which does the same
/// and documents what can go wrong.
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
    /// Attaches the program. The caller keeps the program.
    ///
    /// # Errors
    ///
    /// Those of the kind's own `attach`.
    fn attach(&self, program: impl AsFd) -> Result<Self::Link>;
}

/// Makes sure that one program is attached to one hook, by a link that is pinned at one path,
/// whatever an earlier run left.
///
/// An agent calls this at every start, whatever version ran before. A run keeps no state of its
/// own: it looks at the pin and asks the kernel. [`Attach::ensure_pinned`] returns an `Ensure`, and
/// [`run`](Self::run) does the work.
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
/// // When the agent ends, the program stays. To detach it, unless another agent has taken over:
/// println!("{}", ensured.stop()?);
/// # Ok(())
/// # }
/// ```
#[doc = ""]
#[doc = include_str!("ensure/decisions.md")]
#[doc = ""]
/// A link that cannot be updated is replaced: the new link is attached first, pinned beside the
/// path ([`temporary_pin`](bpf_link::temporary_pin)), and renamed over the old pin in one step.
/// Then the old link is detached, or closed if it cannot be detached. So no event is missed, and
/// some are seen by both programs. If the hook takes only one program and the kernel refuses the
/// new one, the old one is detached first, and the outcome says that there was a gap. If the new
/// program cannot be attached after that, the old one is attached again.
///
/// # Which kinds
///
#[doc = include_str!("../docs/tables/ensure-kinds.md")]
///
/// The mode of an xdp link is known from the device. Without [`mode`](crate::XdpAttach::mode), any
/// mode will do, and an existing link keeps its mode. The position of a tcx, netkit or cgroup link
/// is known from the hook's list. A link that is not in the position that was asked for stays where
/// it is, and [`Ensured::is_in_place`] is false; [`restore_position`](Self::restore_position) moves
/// it back instead. The kernel does not report `preorder`, so it is not compared, and an updated
/// link keeps its own.
///
/// # What the kernel does not report
///
#[doc = include_str!("../docs/tables/ensure-not-reported.md")]
///
/// If such a link already runs the program, its options may still differ. So it is replaced by a
/// link with the wanted options, and the outcome says [`Why::NotReported`].
/// [`keep_unreported`](Self::keep_unreported) keeps it instead. To replace it, the same program is
/// attached again, without a gap if the hook takes a program twice. The kernel does not allow that
/// for tracing programs, programs on tracepoints (of a perf event; raw ones before Linux 6.10) and
/// `tracing_multi` programs, so for these there is a gap. Linux 5.10 attaches a tracing program
/// only once: there, this is an error, and nothing changes.
///
/// # What is certain
///
/// - If a run is killed between any two system calls, the next run reaches the same result. In the
///   meantime a program is always attached, unless the outcome would have had a gap.
/// - Processes that do this at the same time, for pins in one directory, take turns: [`PinLock`].
///   At the end there is one link and one pin, with the program of the last process.
/// - Processes that skip the lock are noticed where the kernel allows it: an update names the
///   program that it expects, and the pin is looked at again before it is replaced and at the end.
///   After some attempts, the run fails with [`Error::Overtaken`], which says what the others left.
/// - Every run leaves a pin with a new inode, even if the program is running already. So an agent
///   can tell whether another has taken over ([`Ensured::is_ours`]), and an agent that stops never
///   detaches its successor's program ([`Ensured::stop`]).
/// - Only root and the agent's own user can change the pin, or where the path leads. Directories
///   and pins of other users are refused, unless
///   [`allow_shared_directories`](Self::allow_shared_directories) and
///   [`allow_other_owner`](Self::allow_other_owner) allow them.
/// - No process waits for the lock forever: [`lock_within`](Self::lock_within).
/// - Nothing is attached before it is certain that it can be pinned: the directory is on a bpffs,
///   and the name is allowed.
/// - A program that the kernel refuses changes nothing, except on hooks with a gap, where the error
///   is [`Error::OldProgramPutBack`].
///
/// # What is not certain
///
/// - A process that does not take the lock can replace the pin between the last look and the
///   rename.
/// - Links without a pin are found only with [`take_over`](Self::take_over), which says how to
///   recognize them.
/// - A link that another process holds, or that has another pin, is detached if its kind allows it.
///   Otherwise its program keeps running beside the new one, and the outcome says
///   [`OldLink::Released`]. Only with [`wait_for_old`](Self::wait_for_old) does a run check
///   whether somebody still holds it.
/// - A hook that takes one program may stay taken for a moment by a link that nobody holds any
///   more. The run retries for at most a second, or five where the link that it replaces cannot be
///   detached, and keeps the lock while it does. After that, the error says who has the hook.
/// - Without `CAP_SYS_ADMIN` no program can be opened by its id. Then an update is protected only
///   by the lock, and an old program cannot be attached again.
/// - The info of xdp and netfilter links does not say in which network namespace they are. An
///   attempt to attach shows whether the hook in this namespace is free. If another program has it,
///   a link of ours in another namespace, on a device with the same index or at the same priority,
///   is mistaken for a link in this one.
/// - The kernel does not say whether a netfilter link is attached. A link that somebody detached is
///   mistaken for an attached one if another link has taken its priority since.
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

/// How often the pin and its link may change while a run looks at them.
const ATTEMPTS: usize = 16;

impl<A: Attach> Ensure<A> {
    pub(crate) fn run_with(&self, object: BorrowedFd<'_>) -> Result<Ensured<A::Link>> {
        let mut ensured = self.for_one_run().run_locked(object)?;
        if let Some(time) = self.options.wait_for_old {
            let mut waiting = Waiting::for_at_most(time);
            ensured.outcome.settle(&mut waiting);
            if let Some(displaced) = &mut ensured.displaced {
                displaced.old_link.settle(&mut waiting);
            }
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
        place.with_parents(self.options.parents, self.options.lock_within, || {
            self.run_at(&place, &wanted)
        })
    }

    /// A run, once the directories exist.
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
                match step.map_err(|refusal| self.to.name_holders(wanted.object, refusal))? {
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
                            // All is done by now, so a refusal is no reason to fail.
                            is_in_place: self.to.in_place(&link).ok().flatten(),
                            link,
                            outcome,
                            taken_over: run.taken_over,
                            left_over: run.left_over,
                            displaced: run.displaced,
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
            Ok((left_over, planned)) => {
                if planned.attaches() {
                    self.to.look_up(&wanted)?;
                    self.to.check(&wanted)?;
                }
                Ok(Plan {
                    directories,
                    left_over,
                    planned,
                })
            }
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
    /// Attaches or takes over, so that a link on the hook runs this program and is pinned at the
    /// path.
    ///
    /// The caller keeps the program. The returned link remembers its pin. When you drop the link,
    /// the pin keeps it.
    ///
    /// # Errors
    ///
    /// After these errors, nothing has changed, except that what a killed run left has been
    /// finished or removed:
    ///
    /// - [`Error::PinTaken`]: something else is pinned at the path.
    /// - [`Error::TemporaryName`]: the name has the form of a temporary pin.
    /// - [`Error::Link`] with [`Exposed`](bpf_link::Error::Exposed) (another user can change what
    ///   is pinned, or where the path leads to) or [`LockHeld`](bpf_link::Error::LockHeld)
    ///   (`EWOULDBLOCK`: another process has the lock).
    /// - [`Error::OursFound`]: a link of ours is on the hook, and you asked only for a report; or
    ///   more than one is.
    /// - [`Error::SearchDenied`] (`EPERM`): searching for our own links takes `CAP_SYS_ADMIN`.
    /// - [`Error::ExpectedRevision`]: the builder expects a revision of the hook's list, which an
    ///   update in place cannot check.
    /// - [`Error::Link`] with [`NotOnBpffs`](bpf_link::Error::NotOnBpffs),
    ///   [`PinName`](bpf_link::Error::PinName), [`PathNotFound`](bpf_link::Error::PathNotFound)
    ///   (`ENOENT`: a directory is missing), and the other errors of [`PinLock::of`] and
    ///   [`RawLink::pin_over`].
    /// - [`Error::Link`] with [`NotAProgram`](bpf_link::Error::NotAProgram) (`EINVAL`).
    /// - [`Error::CreateDirectory`]: a parent directory could not be created, or looked up.
    /// - [`Error::AttachTypeMismatch`] (`EINVAL`): the program is for another hook.
    /// - [`Error::AlreadyAttached`] (`EEXIST`): another link on the hook already runs this program
    ///   (tcx, netkit).
    /// - Those of the kind's own `attach`, such as [`Error::HookTaken`] if another program has the
    ///   hook.
    ///
    /// After these, something may have changed:
    ///
    /// - [`Error::Overtaken`]: another process was faster, at each attempt.
    /// - [`Error::OldProgramPutBack`]: after the old program was detached, the new one could not be
    ///   attached. The old one is attached again.
    /// - [`Error::OldProgramLost`]: the same, but the old one could not be attached again.
    /// - [`Error::OldLinkHeld`]: the old link is in the way, and somebody holds it. It is pinned as
    ///   before.
    ///
    /// # Kernel
    ///
    /// What the kind needs, with `BPF_LINK_UPDATE`, `BPF_OBJ_PIN`, `flock(2)` and `rename(2)`.
    pub fn run(&self, program: impl AsFd) -> Result<Ensured<A::Link>> {
        self.run_with(program.as_fd())
    }

    /// What [`run`](Self::run) would do now. Nothing is changed: no link is attached, updated or
    /// detached, no pin or directory is made, and the lock is not taken.
    ///
    /// For xdp and netfilter, only an attempt to attach shows whether the hook is free. For these,
    /// the plan says what would follow in each case: [`Planned::Attempt`].
    ///
    /// ```no_run
    /// use bpf_link_typed::{Attach as _, TcxAttach, TcxHook};
    ///
    /// # fn example(program: std::fs::File) -> bpf_link_typed::Result<()> {
    /// let ensure = TcxAttach::to("eth0", TcxHook::Ingress)
    ///     .ensure_pinned("/sys/fs/bpf/agent/eth0_ingress");
    /// // Such as "update link 7, replacing program 34".
    /// println!("{}", ensure.plan(&program)?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`run`](Self::run) that change nothing, as far as they can be found without an
    /// attempt. If a link would be attached or updated, the program has to fit the hook, and the
    /// device, cgroup, network namespace, file, tracepoint or function in BTF has to be there. The
    /// kernel alone looks up the names of other functions and of raw tracepoints.
    pub fn plan(&self, program: impl AsFd) -> Result<Plan> {
        self.plan_with(program.as_fd())
    }
}
