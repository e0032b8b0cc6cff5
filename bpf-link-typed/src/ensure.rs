//! Restarts and upgrades: whatever the last run left behind, end with this program attached here and pinned there.

mod attempt;
mod old_link;
mod ours;
mod outcome;
mod place;
mod recipe;
mod replace;

use std::fmt;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use bpf_link::{PinLock, RawLink};

pub use ours::Ours;
pub use outcome::{Attached, Ensured, LeftOver, OldLink, Outcome, Why};
pub(crate) use recipe::{KindLink, Match, Old, Recipe, Wanted, WayBack};

use crate::StructOpsAttach;
use crate::error::{Error, Result};
use attempt::{Run, Step};
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

/// Ends with a link on one hook that runs one program and has one pin, whatever an earlier run left behind.
///
/// [`Attach::ensure_pinned`] makes it, and [`run`](Self::run) does it.
#[derive(Clone)]
#[must_use = "nothing is done before `run`"]
pub struct Ensure<A> {
    to: A,
    options: Options,
}

#[derive(Clone, Debug)]
struct Options {
    path: PathBuf,
    parents: Option<u32>,
    replace_other: bool,
    /// What is ours, and whether it is taken over or reported.
    ours: Option<(Ours, bool)>,
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
    /// [`Error::OursFound`]. To find them takes `CAP_SYS_ADMIN`.
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
    /// Does it.
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
