//! Puts the links of a set in place.

mod old_first;
mod prepare;

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use bpf_link::{PinEntry, PinLock};

use crate::ensure::member::{FileId, Place, Waiting};
use crate::error::{Error, LinkState, Result, SetFailure};
use crate::set::LinkSet;
use crate::set::applied::Applied;
use crate::set::assign::assign;
use crate::set::directory::{Directory, Owners, refuse_root};
use crate::set::fate::fate;
use crate::set::reserve::Reserve;
use crate::set::run::{Run, Step, Way, Work, overtaken};
use crate::set::slot::Refusal;

/// How often somebody who does not take the lock may change what was looked at.
const ATTEMPTS: usize = 8;

impl LinkSet<'_> {
    /// Puts all links of the set in place, or leaves everything as it was.
    ///
    /// Processes that do this in the same directory take turns: [`PinLock`].
    ///
    /// # Errors
    ///
    /// With these errors, nothing was changed:
    ///
    /// - [`Error::RootOfBpffs`]: the directory is the root of a bpffs.
    /// - [`Error::Link`] with [`Exposed`](bpf_link::Error::Exposed) (another user can change the
    ///   directory, or where its path leads to, or owns a pin in it) or
    ///   [`LockHeld`](bpf_link::Error::LockHeld) (`EWOULDBLOCK`: another process has the lock).
    /// - [`Error::SameHook`]: two links of the set are for one hook, which takes one program.
    /// - [`Error::SearchDenied`] (`EPERM`): searching for links to [take over](Self::take_over)
    ///   takes `CAP_SYS_ADMIN`, and so does telling by its program whether a link is
    ///   [stale](Self::remove_stale).
    /// - [`Error::CreateDirectory`], and [`Error::Link`] with what [`PinLock::of`] and
    ///   [`PinDirectory`](bpf_link::PinDirectory) refuse, such as
    ///   [`NotOnBpffs`](bpf_link::Error::NotOnBpffs) and
    ///   [`PathNotFound`](bpf_link::Error::PathNotFound) (`ENOENT`).
    /// - [`Error::File`] (`EMFILE`): the process has no descriptors left for undoing.
    ///
    /// With these, what was done was undone:
    ///
    /// - [`Error::SetNotApplied`]: a link of the set was refused. Its source is the error that
    ///   [`Ensure::run`](crate::Ensure::run) would have ended with, or [`Error::NoWayBack`] where
    ///   an old program cannot be opened (`EPERM`). It says what state each link is in.
    /// - [`Error::Overtaken`]: a process that does not take the lock changed the pins or their
    ///   links at each attempt.
    ///
    /// # Kernel
    ///
    /// What the kinds need, with `BPF_LINK_UPDATE`, `BPF_OBJ_PIN`, `flock(2)` and `rename(2)`.
    pub fn apply(&self) -> Result<Applied> {
        let (path, place) = self.place()?;
        let within = self.options.lock_within;
        let applied = place.with_parents(self.options.parents, within, || {
            let _lock = PinLock::of_within(&place.path, within)?;
            refuse_root(&path)?;
            for _ in 1..ATTEMPTS {
                match self.attempt(&path) {
                    Err(Error::Overtaken { .. }) => {}
                    answer => return answer,
                }
            }
            self.attempt(&path)
        });
        let mut applied = applied.map_err(|error| place.about_directory(error))?;
        if let Some(time) = self.options.wait_for_old {
            applied.settle(&mut Waiting::for_at_most(time));
        }
        Ok(applied)
    }

    fn attempt(&self, path: &Path) -> Result<Applied> {
        let reserve = Reserve::take(path)?;
        let owners = if self.options.trust.other_owner {
            Owners::Any
        } else {
            Owners::Ours
        };
        let mut directory = Directory::look(path, owners, &self.names())?;
        let slots = match assign(self, &mut directory) {
            Ok(slots) => slots,
            Err(refusal) => return Err(self.not_applied(refusal, Vec::new())),
        };
        let mut run = Run {
            set: self,
            directory,
            works: slots.iter().map(|_| Work::default()).collect(),
            slots,
            steps: Vec::new(),
            put_back: Vec::new(),
            returning: None,
            until_free: Waiting::until_free(),
            until_gone: Waiting::until_gone(),
            fates: HashMap::new(),
        };
        match run.bring_about() {
            Ok(()) => run.finish(),
            Err(refusal) => {
                drop(reserve);
                let states = run.undo();
                if matches!(refusal.error, Error::Overtaken { .. })
                    && states.iter().all(LinkState::is_undone)
                {
                    return Err(refusal.error);
                }
                Err(self.not_applied(refusal, states))
            }
        }
    }

    /// The error that a slot was refused.
    pub(super) fn not_applied(&self, refusal: Refusal, mut states: Vec<LinkState>) -> Error {
        let Some(entry) = refusal.slot.and_then(|slot| self.entries.get(slot)) else {
            return refusal.error;
        };
        states.resize_with(self.entries.len(), || LinkState::AsBefore);
        let names = self.entries.iter().map(|entry| entry.name.to_string());
        Error::SetNotApplied(Box::new(SetFailure {
            name: entry.name.to_string(),
            links: names.zip(states).collect(),
            source: refusal.error,
        }))
    }

    /// The names of the links.
    pub(super) fn names(&self) -> HashSet<&OsStr> {
        self.entries
            .iter()
            .map(|entry| OsStr::new(&*entry.name))
            .collect()
    }

    /// The directory, and the place of pins in it.
    pub(super) fn place(&self) -> Result<(PathBuf, Place)> {
        let path = std::path::absolute(&self.path).map_err(|source| Error::File {
            path: self.path.clone(),
            source,
        })?;
        let place = Place::in_dir(&path, self.options.trust)?;
        Ok((path, place))
    }
}

impl Run<'_, '_> {
    fn bring_about(&mut self) -> Result<(), Refusal> {
        let all = 0..self.slots.len();
        // Telling what is stale may be refused: better before anything is attached.
        self.decide_fates()?;
        for index in all.clone() {
            self.prepare(index).map_err(Refusal::of(index))?;
        }
        // Where a hook was free, an old link turned out to be elsewhere, and needs a fate too.
        self.decide_fates()?;
        for index in all.clone() {
            self.update(index).map_err(Refusal::of(index))?;
        }
        for index in all.clone() {
            self.rename(index).map_err(Refusal::of(index))?;
        }
        for index in all.clone() {
            self.replace_old_first(index).map_err(Refusal::of(index))?;
        }
        for index in all {
            self.look_again(index).map_err(Refusal::of(index))?;
        }
        Ok(())
    }

    /// Puts the program on the link, where that is the way. Where the kernel does not put programs
    /// like it on such links, finds another way.
    fn update(&mut self, index: usize) -> Result<()> {
        let (Some(slot), Some(work)) = (self.slots.get(index), self.works.get_mut(index)) else {
            return Ok(());
        };
        let (Some(Way::Update { program, .. }), Some(link)) = (&work.way, &work.link) else {
            return Ok(());
        };
        let object = slot.ready.object();
        let update = slot.ready.attached().update(&object);
        let update = match program {
            Some(program) => update.expecting(program),
            None => update,
        };
        match link.update(update) {
            Ok(()) => {
                self.steps.push(Step::Updated(index));
                Ok(())
            }
            Err(bpf_link::Error::OldProgramMismatch { .. } | bpf_link::Error::HookGone(_)) => {
                Err(overtaken(slot))
            }
            Err(error) => match error.errno() {
                Some(libc::EINVAL | libc::EOPNOTSUPP) => {
                    work.learned.update_refused = true;
                    self.prepare(index)
                }
                Some(libc::EEXIST) => Err(Error::AlreadyAttached(error)),
                _ => Err(error.into()),
            },
        }
    }

    /// Decides what becomes of the links that no slot takes over, while that can still be refused.
    fn decide_fates(&mut self) -> Result<()> {
        for (index, found) in self.directory.links.iter().enumerate() {
            if found.link.is_some() && !self.fates.contains_key(&index) {
                let path = self.directory.at(found.name());
                let fate = fate(found, path, &self.slots, self.set.options.stale.as_ref())?;
                self.fates.insert(index, fate);
            }
        }
        Ok(())
    }

    /// Looks which file the pin is, and asks what else is to be known of the link in the end.
    fn look_again(&mut self, index: usize) -> Result<()> {
        let (Some(slot), Some(work)) = (self.slots.get(index), self.works.get_mut(index)) else {
            return Ok(());
        };
        let file = FileId::at(&slot.path())?;
        work.file = Some(file.ok_or_else(|| overtaken(slot))?);
        let link = work.link.as_ref().ok_or_else(|| overtaken(slot))?;
        link.id()?;
        link.kind()?;
        Ok(())
    }

    /// Moves the pin from beside the path to the path.
    fn rename(&mut self, index: usize) -> Result<()> {
        let (Some(slot), Some(work)) = (self.slots.get(index), self.works.get_mut(index)) else {
            return Ok(());
        };
        let Some(link) = &mut work.link else {
            return Ok(());
        };
        let expected = self.directory.named(slot.name.as_ref());
        let expected = expected.and_then(|index| self.directory.links.get(index));
        let expected = expected.map(|found| found.id);
        let found = match PinEntry::at(slot.path())? {
            PinEntry::Missing => None,
            PinEntry::Link(found) => Some(found.id()?),
            PinEntry::NotALink => return Err(overtaken(slot)),
        };
        if found != expected {
            return Err(overtaken(slot));
        }
        let moved = match found {
            None => link.pin(slot.path()),
            Some(_) => link.pin_over(slot.path()),
        };
        match moved {
            Ok(()) => {
                self.steps.push(Step::Renamed(index, found));
                Ok(())
            }
            Err(bpf_link::Error::PathExists(_) | bpf_link::Error::PinReplaced { .. }) => {
                Err(overtaken(slot))
            }
            Err(error) => Err(error.into()),
        }
    }
}
