//! Restarts and upgrades: whatever the last run left behind, end with this program attached here and pinned there.

mod attempt;
mod old_link;
mod options;
mod ours;
mod outcome;
mod place;
mod recipe;
mod replace;

use std::fmt;
use std::os::fd::AsFd;
use std::path::Path;

use bpf_link::{PinLock, RawLink};

pub use ours::Ours;
pub use outcome::{Attached, Ensured, LeftOver, OldLink, Outcome, Why};
pub(crate) use recipe::{KindLink, Match, Old, Recipe, Wanted, WayBack};

use crate::StructOpsAttach;
use crate::error::{Error, Result};
use attempt::{Run, Step};
use options::Options;
use place::Place;

/// The options that a link of one kind is attached with: [`XdpAttach`](crate::XdpAttach) and so on, a type for each kind.
///
/// What all of them have in common is that a link can be had by them over restarts and upgrades:
/// [`ensure_pinned`](Self::ensure_pinned). This trait is implemented for them only.
pub trait Attach: Recipe + Sized {
    /// Whatever is there, end with a link by these options that is pinned at this path on a bpffs: see [`Ensure`].
    ///
    /// Nothing is done before [`Ensure::run`].
    fn ensure_pinned(self, path: impl AsRef<Path>) -> Ensure<Self> {
        Ensure {
            to: self,
            options: Options {
                path: path.as_ref().to_owned(),
                parents: None,
                replace_other: false,
                ours: None,
            },
        }
    }
}

/// The options that a program is attached with: all but [`StructOpsAttach`], which is of a map.
pub trait AttachProgram: Attach {}

/// Ends with a link on one hook that runs one program and is pinned at one path, whatever an earlier run has left behind.
///
/// This is what an agent calls when it starts, the first time and every time after that, in the same version or another. It has
/// no state of its own: all that it goes by is the pin and what the kernel says. [`Attach::ensure_pinned`] makes it, and
/// [`run`](Self::run) does it.
///
/// ```no_run
/// use bpf_link_typed::{Attach as _, Ours, Outcome, TcxAttach, TcxHook};
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
/// // When the agent ends, the program stays. To take it off as well:
/// ensured.link.detach_and_unpin()?;
/// # Ok(())
/// # }
/// ```
///
/// # What it finds, and what it does
///
/// | at the path | what is done | [`Outcome`] |
/// |---|---|---|
/// | nothing | a link is made and pinned, unless one of ours is found ([`take_over`](Self::take_over)) | `Created` |
/// | a link on this hook that runs this program | nothing | `AlreadyRunning` |
/// | a link on this hook that runs another program | it is updated in place, if what is seen on it is still there | `Updated` |
/// | the same, of a kind that is not updated | another link takes its place | `Replaced` |
/// | a link on another hook, with other options, or without its hook | another link takes its place | `Replaced` |
/// | something else | an error, unless it may be [replaced](Self::replace_other) | `Replaced` |
///
/// Another link takes the place of one like this: it is attached first, pinned beside the path
/// ([`temporary_pin`](bpf_link::temporary_pin)), and renamed over the pin in one step. Then the old link is detached, or closed
/// if it cannot be detached. So no event is missed, and some are seen by both programs. Only where the hook takes one program
/// and the kernel refuses the new one beside the old, the old one goes first, and the outcome says that there was a gap. If the
/// new one cannot be attached then, the old one is put back.
///
/// # Which kinds
///
/// | kind | another program | what tells the hook, and the options that are compared |
/// |---|---|---|
/// | cgroup | in place | the cgroup, the attach type (for `Lsm` the hook that the programs were loaded for) |
/// | netns | in place | the namespace, the attach type |
/// | xdp | in place; between programs with and without an attach type, a gap | the device |
/// | tcx, netkit | in place | the hook's own list of links |
/// | sockmap | in place | the map, the attach type |
/// | iter | in place | what it goes over |
/// | `struct_ops` | in place, if the name is the same and the subsystem can; otherwise another link, with a gap if the name is | the sort of struct |
/// | netfilter | another link, with a gap | family, hook, priority, fragments |
/// | `raw_tracepoint` | another link | the tracepoint, the cookie |
/// | tracing | another link; for an extension with a gap | the function, the attach type, the cookie |
/// | `perf_event` | another link | the event, the cookie |
/// | `kprobe_multi`, `uprobe_multi`, `tracing_multi` | another link | the functions or places, when the program runs, the cookies; the process |
///
/// Positions among other programs, the mode of xdp, and `preorder` are not part of any info: they are not compared, and a link
/// that is updated keeps what it has. Of a kind that is not updated, whatever this kernel does not tell is taken to differ: cookies
/// before Linux 6.17 (`raw_tracepoint`, tracing) or 6.9, events before 6.6, the symbols of `kprobe_multi`, the process of a
/// uprobe, events of the caller's. So the program that is there already is attached again, without a gap where the hook takes it
/// twice. A tracing program, a program on a tracepoint (of a perf event; a raw one before Linux 6.10) and a program on functions
/// of `tracing_multi` it does not take twice: for the same program, and only then, that is with a gap. Linux 5.10 attaches a
/// tracing program only once: to replace it by itself is an error there, and changes nothing.
///
/// # What is certain
///
/// - Killed between any two system calls, the next run comes to the same end. The program is attached all the time, where the
///   outcome would have been one without a gap.
/// - Processes that do this at the same time, for pins in one directory, take turns: [`PinLock`]. There is one link and one pin
///   at the end, of the program of the last of them.
/// - Whoever does not ask for the lock is met halfway: an update expects the program that was seen, and what is pinned is
///   looked at again before it is replaced, and at the end. After some attempts, [`Error::Overtaken`] says what they have left.
/// - Nothing is attached before it is known that it can be pinned: the directory is on a bpffs, and the name is allowed.
/// - A program that is refused changes nothing, but for hooks with a gap, where [`Error::OldProgramPutBack`] says so.
///
/// # What is not
///
/// - Somebody who neither asks for the lock nor minds what is there can replace the pin between the last look and the rename.
/// - Without a pin, links of ours are found only if it is said how they are known.
/// - A link that another process holds, or that has another pin, is detached only if its kind can be: otherwise its program goes
///   on running beside the new one, and the outcome says so ([`OldLink::Held`]).
/// - Without `CAP_SYS_ADMIN` no program can be opened by its id: an update then goes by the lock alone, and an old program
///   cannot be put back.
/// - The info of xdp and netfilter links does not say in which network namespace they are. An attempt to attach tells whether
///   the hook here is free; where it is taken by somebody else's program, a link of ours on a device of the same number, or at
///   the same priority, in another namespace passes for being here.
/// - The kernel does not say whether a netfilter link is attached: one that somebody has detached, and whose priority somebody
///   else has taken since, passes for attached.
#[derive(Clone)]
#[must_use = "nothing is done before `run`"]
pub struct Ensure<A> {
    to: A,
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
    /// Makes the directories that the pin is to be in, as far as they are missing, with this mode less the umask.
    pub fn create_parents(mut self, mode: u32) -> Self {
        self.options.parents = Some(mode);
        self
    }

    /// Replaces what is pinned at the path even if it is a map, a program, a symbolic link, or a link of another kind. A
    /// directory is never replaced.
    pub fn replace_other(mut self) -> Self {
        self.options.replace_other = true;
        self
    }

    /// Takes a link over that is on the hook and ours, but not pinned at the path: the pin was removed, or is another. It is
    /// pinned at the path, and then treated like any that was pinned there.
    ///
    /// Looked for whenever a link would be attached where none is known to be. More than one is an error,
    /// [`Error::OursFound`]. To find them takes `CAP_SYS_ADMIN`. Where this kernel does not tell what a link is on, what it runs
    /// has to do.
    pub fn take_over(mut self, ours: Ours) -> Self {
        self.options.ours = Some((ours, true));
        self
    }

    /// Reports a link that is on the hook and ours, but not pinned at the path, as [`Error::OursFound`]: nothing is attached a
    /// second time.
    pub fn report(mut self, ours: Ours) -> Self {
        self.options.ours = Some((ours, false));
        self
    }

    fn run_with(&self, object: &(impl AsFd + ?Sized)) -> Result<Ensured<A::Link>> {
        let wanted = Wanted::of(object.as_fd(), A::Link::KIND)?;
        let place = Place::new(&self.options.path)?;
        if let Some(mode) = self.options.parents {
            place.make_parents(mode)?;
        }
        let _lock = PinLock::of(&place.path)?;
        let mut run = Run {
            to: &self.to,
            options: &self.options,
            place: &place,
            wanted: &wanted,
            taken_over: None,
            left_over: None,
            refusal: None,
        };
        for _ in 0..ATTEMPTS {
            if let Step::Done(link, outcome) = run.attempt()? {
                return Ok(Ensured {
                    link,
                    outcome,
                    taken_over: run.taken_over,
                    left_over: run.left_over,
                });
            }
        }
        if let Some(refusal) = run.refusal {
            return Err(refusal);
        }
        let left = RawLink::from_pinned(&place.path).and_then(|link| link.id());
        Err(Error::Overtaken {
            left: left.ok(),
            path: place.path,
        })
    }
}

impl<A: AttachProgram> Ensure<A> {
    /// Does it: ends with a link on the hook that runs this program and is pinned at the path.
    ///
    /// The program stays the caller's. The link remembers its pin; dropping it leaves it to the pin.
    ///
    /// # Errors
    ///
    /// Nothing is changed, besides that a killed run's left-over is finished or removed, with
    ///
    /// - [`Error::PinTaken`]: something else is pinned at the path.
    /// - [`Error::OursFound`]: links of ours are on the hook, and were to be reported, or are more than one.
    /// - [`Error::Link`] with [`NotOnBpffs`](bpf_link::Error::NotOnBpffs), [`PinName`](bpf_link::Error::PinName),
    ///   [`PathNotFound`](bpf_link::Error::PathNotFound) (`ENOENT`: a directory is missing), and what else [`PinLock::of`] and
    ///   [`RawLink::pin_over`] refuse.
    /// - [`Error::Link`] with [`NotAProgram`](bpf_link::Error::NotAProgram) (`EINVAL`).
    /// - [`Error::CreateDirectory`]: a parent could not be made.
    /// - [`Error::AttachTypeMismatch`] (`EINVAL`): the program is for another hook (cgroups).
    /// - [`Error::AlreadyAttached`] (`EEXIST`): another link on the hook runs this program already (tcx, netkit).
    /// - What the kind's own `attach` refuses, such as [`Error::HookTaken`] where it is somebody else's program that has the
    ///   hook.
    ///
    /// Something may have changed, with
    ///
    /// - [`Error::Overtaken`]: somebody else was faster, each time.
    /// - [`Error::OldProgramPutBack`]: the new program could not be attached after the old one was taken off.
    /// - [`Error::OldProgramLost`]: the same, and the old one could not be put back.
    /// - [`Error::OldLinkHeld`]: the old link is in the way, and has not gone. It is pinned as it was.
    ///
    /// # Kernel
    ///
    /// What the kind needs, with `BPF_LINK_UPDATE`, `BPF_OBJ_PIN`, `flock(2)` and `rename(2)`.
    pub fn run(&self, program: &(impl AsFd + ?Sized)) -> Result<Ensured<A::Link>> {
        self.run_with(program)
    }
}

impl Ensure<StructOpsAttach<'_>> {
    /// Does it, with the map that the options are of.
    ///
    /// # Errors
    ///
    /// As for the other kinds.
    pub fn run(&self) -> Result<Ensured<crate::StructOpsLink>> {
        self.run_with(&self.to.map())
    }
}

/// Says of the options of each kind that a link can be had by them over restarts.
macro_rules! attach {
    ($($Attach:ident $(<$a:lifetime>)?),+) => {$(
        impl Attach for crate::$Attach $(<$a>)? {}
    )+};
}
macro_rules! attach_program {
    ($($Attach:ident $(<$a:lifetime>)?),+ $(,)?) => {
        attach!($($Attach $(<$a>)?),+);
        $( impl AttachProgram for crate::$Attach $(<$a>)? {} )+
    };
}
attach_program!(
    RawTracepointAttach<'_>,
    TracingAttach<'_>,
    CgroupAttach<'_>,
    IterAttach<'_>,
    NetnsAttach<'_>,
    XdpAttach,
    PerfEventAttach<'_>,
    KprobeMultiAttach<'_>,
    NetfilterAttach,
    TcxAttach<'_>,
    UprobeMultiAttach<'_>,
    NetkitAttach<'_>,
    SockmapAttach<'_>,
    TracingMultiAttach<'_>,
);
attach!(StructOpsAttach<'_>);
