//! A place, the link that is there, and the model of what that has to be.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use anyhow::{Context as _, Result, ensure};
use bpf_link::{Error, LinkId, LinkKind, RawLink, Update, UpdateBy};
use bpf_link_tests::{eventually, eventually_holds};
use bpf_link_typed::{KindFacts, LinkInfo};

use super::operation::Operation;
use super::places::{Object, Place};
use crate::fixture::random::Random;

/// How many names a place has for its pin.
const NAMES: usize = 3;
/// The name of a directory on the bpffs.
pub(super) const TAKEN: &str = "taken";

/// What becomes of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Done,
    /// As it had to be.
    Refused,
    /// It makes no sense here, and nothing was done.
    Skipped,
}

/// A place, and the link that is there.
#[derive(Debug)]
pub(super) struct Slot<'a> {
    place: &'a Place,
    names: [PathBuf; NAMES],
    /// A path at which something else is.
    taken: PathBuf,
    model: Option<Model>,
    /// As long as a descriptor is held.
    link: Option<RawLink>,
}

/// What a link has to be.
#[derive(Debug, Clone, Copy)]
struct Model {
    id: LinkId,
    /// Which of the place's objects it has.
    object: usize,
    is_detached: bool,
    /// Which of the place's names its pin has.
    pin: Option<usize>,
}

impl fmt::Display for Slot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.place.kind, self.model)
    }
}

/// Fails unless it was refused like this.
macro_rules! ensure_refused {
    ($result:expr, $pattern:pat) => {{
        let error = $result.err().context("it was not refused")?;
        ensure!(matches!(error, $pattern), "{error:?}");
        anyhow::Ok(Told::Refused)
    }};
}

impl<'a> Slot<'a> {
    /// The place's slot in the thread of this number.
    pub(super) fn new(bpffs: &Path, place: &'a Place, thread: u64) -> Self {
        let name = |index| bpffs.join(format!("{thread}_{}_{index}", place.kind));
        Self {
            place,
            names: std::array::from_fn(name),
            taken: bpffs.join(TAKEN),
            model: None,
            link: None,
        }
    }

    /// The link that is there, held or pinned.
    pub(super) fn link_id(&self) -> Option<LinkId> {
        self.model.map(|model| model.id)
    }

    /// Does this, if it makes sense here; says whether it was refused, as it had to be.
    pub(super) fn apply(
        &mut self,
        operation: Operation,
        random: &mut Random,
        gate: &RwLock<()>,
    ) -> Result<Option<bool>> {
        let told = match (self.model, operation) {
            (None, Operation::Create) => self.create(random)?,
            (None, _) => Told::Skipped,
            (Some(model), Operation::OpenFromPin) => self.open(model)?,
            (Some(model), Operation::Close) => self.close(model, gate)?,
            (Some(mut model), _) => {
                let choice = random.below(NAMES);
                let told = self.change(operation, &mut model, choice)?;
                self.model = Some(model);
                told
            }
        };
        Ok(match told {
            Told::Done => Some(false),
            Told::Refused => Some(true),
            Told::Skipped => None,
        })
    }

    /// The link before has gone, but the kernel takes its program off the hook only after that.
    fn create(&mut self, random: &mut Random) -> Result<Told> {
        let object = random.below(2);
        let [first, second] = &self.place.objects;
        let link = eventually("the hook is free", || {
            let error = match self.place.make(if object == 0 { first } else { second }) {
                Ok(link) => return Ok(Some(link)),
                Err(error) => error,
            };
            match error.downcast_ref().and_then(Error::errno) {
                Some(libc::EBUSY | libc::EEXIST | libc::E2BIG) => Ok(None),
                _ => Err(error),
            }
        })?;
        self.model = Some(Model {
            id: link.id()?,
            object,
            is_detached: false,
            pin: None,
        });
        self.link = Some(link);
        Ok(Told::Done)
    }

    fn open(&mut self, model: Model) -> Result<Told> {
        if self.link.is_some() {
            return Ok(Told::Skipped);
        }
        let path = pinned_at(&self.names, model);
        let link = RawLink::from_pinned(path.context("neither held nor pinned")?)?;
        ensure!(link.id()? == model.id && link.pin_path() == path);
        self.link = Some(link);
        Ok(Told::Done)
    }

    /// Closes the descriptor: a pinned link stays, any other is freed. One that was pinned may take
    /// a moment: the pin holds it a while longer.
    fn close(&mut self, model: Model, gate: &RwLock<()>) -> Result<Told> {
        let _last = gate.write().unwrap_or_else(PoisonError::into_inner);
        if self.link.take().is_none() {
            return Ok(Told::Skipped);
        }
        if model.pin.is_none() {
            self.model = None;
            eventually_holds("the link has gone", || match RawLink::from_id(model.id) {
                Err(Error::Vanished(_)) => Ok(true),
                opened => Ok(opened.map(|_| false)?),
            })?;
        }
        Ok(Told::Done)
    }

    /// Does something to a link that is held.
    fn change(&mut self, operation: Operation, model: &mut Model, choice: usize) -> Result<Told> {
        let Some(link) = &mut self.link else {
            return Ok(Told::Skipped);
        };
        let kind = self.place.kind;
        let objects = match (&self.place.objects, model.object) {
            ([first, second], 0) => (first, second),
            ([first, second], _) => (second, first),
        };
        match operation {
            Operation::Info => {
                let info = link.info()?;
                ensure!(info.kind() == kind && info.id() == model.id, "{info:?}");
                let program = info.program_id().map(u32::from);
                ensure!(program == objects.0.program, "{info:?}");
                ensure!(link.pin_path() == pinned_at(&self.names, *model));
                Ok(Told::Done)
            }
            Operation::TypedInfo => check_typed(&LinkInfo::read(link)?, *model, kind, objects.0),
            Operation::Update | Operation::UpdateExpecting | Operation::UpdateExpectingAnother => {
                update(operation, link, model, kind, objects)
            }
            Operation::Pin
            | Operation::Move
            | Operation::PinWhereItIs
            | Operation::PinWhereSomethingIs
            | Operation::Unpin => pin(operation, link, model, choice, &self.names, &self.taken),
            Operation::OpenById => {
                let opened = RawLink::from_id(model.id)?;
                ensure!(opened.kind()? == kind && opened.pin_path().is_none());
                Ok(Told::Done)
            }
            Operation::Clone => {
                let clone = link.try_clone()?;
                ensure!(clone.id()? == model.id && clone.pin_path().is_none());
                Ok(Told::Done)
            }
            Operation::Detach if facts(kind)?.detach_since.is_some() => {
                link.detach()?;
                model.is_detached = true;
                Ok(Told::Done)
            }
            Operation::Detach => {
                ensure_refused!(link.detach(), Error::UnsupportedByKind { .. })
            }
            Operation::CreateIter if kind == LinkKind::Iter => {
                let mut said = [0; 8];
                link.create_iter()?.read_exact(&mut said)?;
                ensure!(said == *b"element\n", "{said:?}");
                Ok(Told::Done)
            }
            Operation::CreateIter => {
                ensure_refused!(link.create_iter(), Error::UnsupportedByKind { .. })
            }
            Operation::Create | Operation::Close | Operation::OpenFromPin | Operation::Walk => {
                Ok(Told::Skipped)
            }
        }
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        for name in &self.names {
            // Only one of them is there, if any.
            let _ = std::fs::remove_file(name);
        }
    }
}

/// Where the link has to be pinned.
fn pinned_at(names: &[PathBuf; NAMES], model: Model) -> Option<&Path> {
    names.get(model.pin?).map(PathBuf::as_path)
}

/// Puts the other object in the place of this one, or tries to.
fn update(
    operation: Operation,
    link: &RawLink,
    model: &mut Model,
    kind: LinkKind,
    (this, other): (&Object, &Object),
) -> Result<Told> {
    let by = facts(kind)?.updated_by();
    let update = match kind {
        LinkKind::StructOps => Update::map(other),
        _ => Update::program(other),
    };
    if operation == Operation::UpdateExpectingAnother {
        // A map that takes the place of itself must never come to the kernel.
        if by != Some(UpdateBy::Program) || model.is_detached {
            return Ok(Told::Skipped);
        }
        let updated = link.update(update.expecting(other));
        return ensure_refused!(updated, Error::OldProgramMismatch { .. });
    }
    let expects = operation == Operation::UpdateExpecting || kind == LinkKind::StructOps;
    let updated = link.update(if expects {
        update.expecting(this)
    } else {
        update
    });
    if by.is_none() {
        return ensure_refused!(updated, Error::UnsupportedByKind { .. });
    }
    if model.is_detached {
        return ensure_refused!(updated, Error::HookGone(_));
    }
    updated?;
    model.object = 1 - model.object;
    Ok(Told::Done)
}

/// Pins the link, moves its pin or removes it.
fn pin(
    operation: Operation,
    link: &mut RawLink,
    model: &mut Model,
    choice: usize,
    names: &[PathBuf; NAMES],
    taken: &Path,
) -> Result<Told> {
    let old = pinned_at(names, *model);
    let name = names.get(choice).context("no name")?;
    match operation {
        Operation::Pin if old.is_none() => {
            link.pin(name)?;
            ensure!(name.exists());
            model.pin = Some(choice);
        }
        Operation::Move if old.is_some_and(|old| old != name) => {
            link.pin(name)?;
            ensure!(name.exists() && old.is_some_and(|old| !old.exists()));
            model.pin = Some(choice);
        }
        Operation::PinWhereItIs if old.is_some() => {
            old.map_or(Ok(()), |old| link.pin(old))?;
        }
        Operation::PinWhereSomethingIs => {
            return ensure_refused!(link.pin(taken), Error::PathExists(_));
        }
        Operation::Unpin => {
            link.unpin()?;
            ensure!(old.is_none_or(|old| !old.exists()));
            model.pin = None;
        }
        _ => return Ok(Told::Skipped),
    }
    Ok(Told::Done)
}

fn facts(kind: LinkKind) -> Result<&'static KindFacts> {
    KindFacts::of(kind).context("a kind of which nothing is known")
}

/// Holds what the typed layer says against the model.
fn check_typed(info: &LinkInfo, model: Model, kind: LinkKind, object: &Object) -> Result<Told> {
    ensure!(info.kind() == kind && info.id() == model.id, "{info:?}");
    let is_defunct = match info {
        LinkInfo::Xdp(info) => info.is_defunct(),
        LinkInfo::Tcx(info) => info.is_defunct(),
        LinkInfo::Cgroup(info) => info.is_defunct(),
        LinkInfo::Netns(info) => info.is_defunct(),
        LinkInfo::StructOps(info) => {
            let map = info.map_id.map(u32::from);
            ensure!(model.is_detached || map == object.map, "{info:?}");
            Some(map.is_none())
        }
        _ => None,
    };
    ensure!(
        is_defunct.is_none_or(|is| is == model.is_detached),
        "{info:?}"
    );
    Ok(Told::Done)
}
