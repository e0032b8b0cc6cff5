//! Foresees what applying a set would do.

use std::path::Path;

use crate::ensure::member::Place;
use crate::error::Result;
use crate::set::LinkSet;
use crate::set::assign::assign;
use crate::set::directory::{Directory, Found, Owners, lasting_names, refuse_root};
use crate::set::fate::{fate, other_pins};
use crate::set::plan::{PlannedLink, PlannedOther, SetPlan};
use crate::set::slot::Refusal;

impl LinkSet<'_> {
    /// What [`apply`](Self::apply) would do now. Nothing is changed: no link is attached, updated
    /// or detached, no pin or directory is made, and the lock is not taken.
    ///
    /// # Errors
    ///
    /// Those of [`apply`](Self::apply), as far as they show without an attempt:
    /// [`Ensure::plan`](crate::Ensure::plan) says what is looked up. That an old program cannot be
    /// opened does not show; nor that a pin belongs to another user, where only we can make any.
    pub fn plan(&self) -> Result<SetPlan> {
        let (path, place) = self.place()?;
        let plan = self.plan_at(&path, &place);
        plan.map_err(|error| place.about_directory(error))
    }

    fn plan_at(&self, path: &Path, place: &Place) -> Result<SetPlan> {
        place.check_directories()?;
        let directories = match self.options.parents {
            Some(_) => place.missing_parents()?,
            None => Vec::new(),
        };
        let mut directory = if directories.is_empty() {
            place.check()?;
            refuse_root(path)?;
            let trust = self.options.trust;
            let owners = match trust.shared_directories {
                true if trust.other_owner => Owners::Any,
                true => Owners::Ours,
                // Where only we can make pins, to ask for the owner of each costs more than it
                // says.
                false => Owners::NotAsked,
            };
            Directory::look(path, owners, &self.names())?
        } else {
            Directory::empty(path)
        };
        let refused = |refusal| self.not_applied(refusal, Vec::new());
        let slots = assign(self, &mut directory).map_err(refused)?;
        let mut plan = SetPlan {
            directories,
            links: Vec::with_capacity(slots.len()),
            ..SetPlan::default()
        };
        for (index, slot) in slots.iter().enumerate() {
            let planned = slot.planned();
            if planned.attaches() {
                let fits = slot.ready.check().map_err(Refusal::of(index));
                fits.map_err(refused)?;
            }
            let found = slot.old.as_ref().and_then(|old| old.found);
            let found = found.and_then(|found| directory.links.get(found));
            let other = found.filter(|found| !found.is_named(slot.name));
            let before = other.map(Found::name);
            let pins = found.map_or(&[][..], |found| &found.pins);
            let pins = other_pins(pins, &slots, self.options.stale.as_ref());
            plan.links.push(PlannedLink {
                name: slot.name.to_owned(),
                planned,
                unpinned: lasting_names(&pins, before.as_ref()),
                before,
            });
        }
        for found in directory.links.iter().filter(|found| found.link.is_some()) {
            let path = directory.at(found.name());
            let (fate, _) = fate(found, path, &slots, self.options.stale.as_ref())?;
            plan.others.push(PlannedOther {
                name: found.name(),
                link: found.id,
                kind: found.kind,
                is_removed: fate.goes(),
            });
        }
        Ok(plan)
    }
}
