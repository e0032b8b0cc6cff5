//! A link of the set, and what it takes over.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::attach::position::Position;
use crate::ensure::member::{AtPath, Judged, Ready};
use crate::ensure::{Match, Planned};
use crate::error::Error;
use crate::set::directory::path_in;

/// A link of the set, and what it is to take over.
pub(super) struct Slot<'r> {
    pub(super) name: &'r str,
    directory: Rc<Path>,
    pub(super) ready: Box<dyn Ready<'r> + 'r>,
    /// Where on the hook it is attached, next to which of the slots.
    pub(super) place: Option<Position<usize>>,
    pub(super) old: Option<Old>,
    /// The only link of ours that may be on the hook, but is not pinned in the directory, where
    /// only an attempt to attach tells whether it is.
    pub(super) orphan: Option<Judged>,
    /// A link of another kind has the name.
    pub(super) other_kind: Option<usize>,
}

/// A link that is to be taken over.
pub(super) struct Old {
    pub(super) judged: Judged,
    /// Which of the directory's links it is; `None` if it is not pinned there.
    pub(super) found: Option<usize>,
    /// It has the name already, or was left beside it by a run that was killed.
    pub(super) is_by_name: bool,
}

/// Why nothing can be done, and for which of the slots.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) slot: Option<usize>,
    pub(super) error: Error,
}

impl<E: Into<Error>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self {
            slot: None,
            error: error.into(),
        }
    }
}

impl Refusal {
    pub(super) fn of(slot: usize) -> impl FnOnce(Error) -> Self {
        move |error| Self {
            slot: Some(slot),
            error,
        }
    }
}

impl<'r> Slot<'r> {
    pub(super) fn new(
        name: &'r str,
        directory: Rc<Path>,
        ready: Box<dyn Ready<'r> + 'r>,
        place: Option<Position<usize>>,
    ) -> Self {
        Self {
            name,
            directory,
            ready,
            place,
            old: None,
            orphan: None,
            other_kind: None,
        }
    }

    pub(super) fn path(&self) -> PathBuf {
        path_in(&self.directory, self.name.as_ref())
    }

    pub(super) fn at_path(&self) -> AtPath<'_> {
        match (&self.old, self.other_kind) {
            (Some(old), _) => AtPath::Link(&old.judged),
            (None, Some(_)) => AtPath::Other,
            (None, None) => AtPath::Nothing,
        }
    }

    /// Whether the old link was chosen only because it may be why the hook is taken. An attempt to
    /// attach tells: if the hook is free, the link is not taken over.
    pub(super) fn may_be_elsewhere(&self) -> bool {
        let is_unsure =
            |old: &Old| self.ready.attempt_tells() || old.judged.found == Match::OtherHook;
        let old = self.old.as_ref();
        old.is_some_and(|old| !old.is_by_name && is_unsure(old))
    }

    /// What would be done.
    pub(super) fn planned(&self) -> Planned {
        let mut planned = self.ready.foresee(self.at_path());
        if self.may_be_elsewhere() {
            planned = attempted(Planned::Create, planned);
        }
        let pinned = self.old.as_ref().is_none_or(|old| old.found.is_some());
        match (&self.old, &self.orphan) {
            (Some(old), _) if !pinned => Planned::TakeOver {
                link: old.judged.id,
                then: Box::new(planned),
            },
            (_, Some(orphan)) => self.planned_with(planned, orphan),
            _ => planned,
        }
    }

    /// The same, where only an attempt tells whether a link of ours is on the hook.
    fn planned_with(&self, planned: Planned, orphan: &Judged) -> Planned {
        let if_taken = if_taken(self.ready.foresee(AtPath::Link(orphan)));
        let if_taken = Planned::TakeOver {
            link: orphan.id,
            then: Box::new(if_taken),
        };
        attempted(planned, if_taken)
    }

    pub(super) fn has_here(&self) -> bool {
        self.old.as_ref().is_some_and(|old| old.judged.is_here())
    }

    pub(super) fn has_wanted(&self) -> bool {
        let attached = self.old.as_ref().and_then(|old| old.judged.attached);
        attached == Some(self.ready.attached())
    }
}

/// An attempt to attach, and what it comes to.
fn attempted(if_free: Planned, planned: Planned) -> Planned {
    Planned::Attempt {
        if_free: Box::new(if_free),
        if_taken: Box::new(if_taken(planned)),
    }
}

/// What would be done once an attempt has told that the hook is taken.
fn if_taken(planned: Planned) -> Planned {
    match planned {
        Planned::Attempt { if_taken, .. } => *if_taken,
        planned => planned,
    }
}

/// Whether a link of the set has this name.
pub(super) fn is_wanted(slots: &[Slot<'_>], name: &OsStr) -> bool {
    slots.iter().any(|slot| OsStr::new(slot.name) == name)
}
