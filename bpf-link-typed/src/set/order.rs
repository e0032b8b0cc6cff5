//! The order of the links of a set on hooks that take several.

use std::collections::{HashMap, HashSet};

use bpf_link::{LinkId, LinkKind};

use crate::attach::position::Position;
use crate::ensure::member::HookId;
use crate::error::Result;
use crate::set::run::Run;

impl Run<'_, '_> {
    /// The place next to another link of the set, or at an end, that the caller has asked for.
    pub(super) fn place(&self, index: usize) -> Option<Position<LinkId>> {
        match self.slots.get(index)?.place? {
            Position::First => Some(Position::First),
            Position::Last => Some(Position::Last),
            Position::Before(next) => self.link_of(next).map(Position::Before),
            Position::After(previous) => self.link_of(previous).map(Position::After),
        }
    }

    /// The position that keeps the links of a hook in the order of the set: before the next one
    /// that is attached already. `None` if the set has no such link.
    pub(super) fn place_in_order(&self, index: usize) -> Result<Option<Position<LinkId>>> {
        let Some(slot) = self.slots.get(index).filter(|slot| !slot.ready.is_placed()) else {
            return Ok(None);
        };
        let Some(hook) = slot.ready.ordered_hook()? else {
            return Ok(None);
        };
        for later in self.slots.iter().skip(index + 1) {
            // One that has a position of its own stays in it.
            if later.place.is_some() || later.ready.is_placed() {
                continue;
            }
            let old = later.old.as_ref().filter(|old| old.judged.is_here());
            if let Some(old) = old {
                if later.ready.ordered_hook()? == Some(hook) {
                    return Ok(Some(Position::Before(old.judged.id)));
                }
            }
        }
        Ok(None)
    }

    fn link_of(&self, index: usize) -> Option<LinkId> {
        let link = self.works.get(index).and_then(|work| work.link.as_ref());
        let old = self.slots.get(index).and_then(|slot| slot.old.as_ref());
        match link {
            Some(link) => link.id().ok(),
            None => old.map(|old| old.judged.id),
        }
    }

    /// Whether the link of each slot is where it was to be. All links are there by now, so a
    /// refusal is no reason to undo the set.
    pub(super) fn in_place(&self) -> Vec<Option<bool>> {
        let early = self.too_early();
        (0..self.slots.len())
            .map(|index| {
                let slot = self.slots.get(index)?;
                let link = self.works.get(index)?.link.as_ref()?;
                match slot.ready.in_place(link, self.place(index)) {
                    Ok(None) if early.contains(&index) => Some(false),
                    answer => answer.ok().flatten(),
                }
            })
            .collect()
    }

    /// The slots whose links run before the link of an earlier slot on the same hook. Links with a
    /// position of their own do not count.
    fn too_early(&self) -> HashSet<usize> {
        let mut of_kind: HashMap<LinkKind, Vec<usize>> = HashMap::new();
        for (index, slot) in self.slots.iter().enumerate() {
            if slot.place.is_none() && !slot.ready.is_placed() {
                of_kind.entry(slot.ready.kind()).or_default().push(index);
            }
        }
        let mut on_hook: HashMap<HookId, Vec<usize>> = HashMap::new();
        // Only links of one kind can be on the same hook.
        for index in of_kind
            .into_values()
            .filter(|slots| several(slots))
            .flatten()
        {
            let hook = self.slots.get(index).map(|slot| slot.ready.ordered_hook());
            if let Some(Ok(Some(hook))) = hook {
                on_hook.entry(hook).or_default().push(index);
            }
        }
        let on_hooks = on_hook.into_values().filter(|slots| several(slots));
        on_hooks
            .flat_map(|slots| self.too_early_of(&slots))
            .collect()
    }

    /// The same of the slots of one hook.
    fn too_early_of(&self, slots: &[usize]) -> Vec<usize> {
        let first = slots.first().and_then(|index| self.slots.get(*index));
        let Some(Ok(Some(on_hook))) = first.map(|slot| slot.ready.on_hook()) else {
            return Vec::new();
        };
        let mut latest = None;
        let mut early = Vec::new();
        for index in slots {
            let attached = self.slots.get(*index).map(|slot| slot.ready.attached());
            let link = self.link_of(*index).zip(attached);
            let place = link.and_then(|(link, attached)| on_hook.place_of(link, attached));
            if place.is_some() && place < latest {
                early.push(*index);
            }
            latest = place.max(latest);
        }
        early
    }
}

/// Whether there is an order between them.
fn several(slots: &[usize]) -> bool {
    slots.len() > 1
}
