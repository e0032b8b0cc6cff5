//! One link of a set: the parts of a run for a caller who has links of all kinds and takes the
//! steps of all of them together.

mod kept;
mod ready;
mod steps;

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use bpf_link::{LinkKind, ProgramInfo};

use crate::ensure::options_from::OptionsFrom;
use crate::ensure::outcome::Attached;
use crate::ensure::recipe::{KindLink, Recipe, Wanted};
use crate::error::Result;
use crate::kinds::StructOpsAttach;

pub(crate) use crate::ensure::act::{is_taken, open};
pub(crate) use crate::ensure::ensured::FileId;
pub(crate) use crate::ensure::hook_id::HookId;
pub(crate) use crate::ensure::look::search_all;
use crate::ensure::lookups::Lookups;
pub(crate) use crate::ensure::old_link::{Waiting, reopen, retire, waits_open};
pub(crate) use crate::ensure::options::Trust;
pub(crate) use crate::ensure::other_pins::remove as remove_other_pins;
pub(crate) use crate::ensure::place::{Place, temporary_pin, temporary_pins};
pub(crate) use crate::ensure::seen::Hook;
pub(crate) use kept::{End, Kept};
use ready::ReadyBy;
pub(crate) use steps::{AtPath, Judged, Learned, Next, Ready, Refused, WayBack};

/// A link that is wanted: options, and what is to be attached.
pub(crate) trait Member: Send + Sync {
    fn kind(&self) -> LinkKind;

    /// Looks at what is to be attached. Refuses what is not a program, or not a map, and options
    /// that cannot be kept to over restarts and upgrades. It is to be pinned at this path.
    fn ready(&self, run: &OfRun, pin: &Path) -> Result<Box<dyn Ready<'_> + '_>>;
}

/// What the members of one run share.
#[derive(Debug)]
pub(crate) struct OfRun {
    /// See [`Ensure::keep_unreported`](crate::Ensure::keep_unreported).
    pub(crate) keep_unreported: bool,
    pub(crate) lookups: Rc<Lookups>,
}

/// What the kernel has said about a program or a map. That never changes, so it is asked once.
#[derive(Debug, Default)]
pub(crate) struct Known(OnceLock<(Attached, Option<Arc<ProgramInfo>>)>);

impl Known {
    fn ready<'a, A: Recipe + 'a>(
        &self,
        to: &A,
        object: BorrowedFd<'a>,
        run: &OfRun,
        pin: &Path,
    ) -> Result<Box<dyn Ready<'a> + 'a>> {
        let wanted = self.wanted(object, A::Link::KIND, &run.lookups)?;
        to.check_options(pin)?;
        Ok(Box::new(ReadyBy {
            to: to.for_one_run(),
            wanted,
            keep_unreported: run.keep_unreported,
        }))
    }

    fn wanted<'a>(
        &self,
        object: BorrowedFd<'a>,
        kind: LinkKind,
        lookups: &Rc<Lookups>,
    ) -> Result<Wanted<'a>> {
        let lookups = Some(Rc::clone(lookups));
        if let Some((attached, program)) = self.0.get() {
            return Ok(Wanted {
                object,
                attached: *attached,
                program: program.clone(),
                lookups,
            });
        }
        let wanted = Wanted::of(object, kind)?;
        let _ = self.0.set((wanted.attached, wanted.program.clone()));
        Ok(Wanted { lookups, ..wanted })
    }
}

/// A program, and where it is to be attached.
pub(crate) struct OfProgram<A, P> {
    pub(crate) to: A,
    pub(crate) program: P,
    pub(crate) known: Known,
}

impl<A, P> Member for OfProgram<A, P>
where
    A: Recipe + Send + Sync,
    P: AsFd + Send + Sync,
{
    fn kind(&self) -> LinkKind {
        A::Link::KIND
    }

    fn ready(&self, run: &OfRun, pin: &Path) -> Result<Box<dyn Ready<'_> + '_>> {
        self.known.ready(&self.to, self.program.as_fd(), run, pin)
    }
}

/// The same, with options that are made from what is owned here.
pub(crate) struct OfConfiguration<C, B, P> {
    pub(crate) configuration: C,
    pub(crate) options: B,
    pub(crate) program: P,
    pub(crate) known: Known,
}

impl<C, B, P, L> Member for OfConfiguration<C, B, P>
where
    C: Send + Sync,
    B: for<'x> OptionsFrom<'x, C, Link = L> + Send + Sync,
    P: AsFd + Send + Sync,
    L: KindLink,
{
    fn kind(&self) -> LinkKind {
        L::KIND
    }

    fn ready(&self, run: &OfRun, pin: &Path) -> Result<Box<dyn Ready<'_> + '_>> {
        let to = self.options.of(&self.configuration);
        self.known.ready(&to, self.program.as_fd(), run, pin)
    }
}

/// A map with callbacks.
pub(crate) struct OfMap<M> {
    pub(crate) map: M,
    pub(crate) known: Known,
}

impl<M: AsFd + Send + Sync> Member for OfMap<M> {
    fn kind(&self) -> LinkKind {
        LinkKind::StructOps
    }

    fn ready(&self, run: &OfRun, pin: &Path) -> Result<Box<dyn Ready<'_> + '_>> {
        let to = StructOpsAttach::of(&self.map);
        self.known.ready(&to, self.map.as_fd(), run, pin)
    }
}
