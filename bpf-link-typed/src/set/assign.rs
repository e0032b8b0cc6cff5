//! Which link of the directory each link of the set takes over.

mod orphans;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::rc::Rc;

use bpf_link::LinkKind;

use crate::ensure::member::{Judged, OfRun};
use crate::ensure::{Attached, Blocks, Match};
use crate::error::{Error, Result};
use crate::info::buf::InfoBuf;
use crate::set::LinkSet;
use crate::set::directory::{Directory, path_in};
use crate::set::slot::{Old, Refusal, Slot};
use crate::set::stale::Stale;

/// Assigns to each link of the set what it takes over.
pub(super) fn assign<'r>(
    set: &'r LinkSet<'_>,
    directory: &mut Directory,
) -> Result<Vec<Slot<'r>>, Refusal> {
    let mut slots = slots(set, directory)?;
    refuse_same_hooks(&slots)?;
    let assigning = &mut Assigning {
        directory,
        rule: set.options.stale.as_ref(),
        keep_unreported: set.options.keep_unreported,
        buf: InfoBuf::new(),
    };
    for (index, slot) in slots.iter_mut().enumerate() {
        assigning.by_name(slot).map_err(Refusal::of(index))?;
    }
    assigning.by_program(&mut slots)?;
    assigning.by_program_of_others(&mut slots)?;
    assigning.by_hook(&mut slots)?;
    if let Some(ours) = &set.options.ours {
        assigning.orphans(&mut slots, ours)?;
    }
    assigning.what_is_left(&slots)?;
    for (index, slot) in slots.iter().enumerate() {
        if slot.planned().attaches() {
            slot.ready.look_up().map_err(Refusal::of(index))?;
        }
    }
    Ok(slots)
}

fn slots<'r>(set: &'r LinkSet<'_>, directory: &Directory) -> Result<Vec<Slot<'r>>, Refusal> {
    let mut slots: Vec<Slot<'r>> = Vec::with_capacity(set.entries.len());
    let run = OfRun {
        keep_unreported: set.options.keep_unreported,
        lookups: Rc::default(),
    };
    for (index, entry) in set.entries.iter().enumerate() {
        let pin = path_in(&directory.path, OsStr::new(&*entry.name));
        let ready = entry.member.ready(&run, &pin);
        let ready = ready.map_err(Refusal::of(index))?;
        let directory = directory.path.clone();
        slots.push(Slot::new(&entry.name, directory, ready, entry.place));
    }
    Ok(slots)
}

/// Refuses two links on one hook that takes one program. Only links of one kind can be on the same
/// hook, so that nothing is asked about the only link of a kind.
fn refuse_same_hooks(slots: &[Slot<'_>]) -> Result<(), Refusal> {
    let mut of_kind: HashMap<LinkKind, usize> = HashMap::new();
    for slot in slots {
        *of_kind.entry(slot.ready.kind()).or_default() += 1;
    }
    let mut seen = HashMap::new();
    for (index, slot) in slots.iter().enumerate() {
        if of_kind.get(&slot.ready.kind()) == Some(&1) {
            continue;
        }
        let Some(hook) = slot.ready.exclusive_hook().map_err(Refusal::of(index))? else {
            continue;
        };
        if let Some(first) = seen.insert(hook, slot.name) {
            let names = [first.to_owned(), slot.name.to_owned()];
            return Err(Error::SameHook { names }.into());
        }
    }
    Ok(())
}

struct Assigning<'d> {
    directory: &'d mut Directory,
    rule: Option<&'d Stale>,
    keep_unreported: bool,
    /// Memory for infos.
    buf: InfoBuf,
}

impl Assigning<'_> {
    /// The link of that name, or one that a killed run has left beside it.
    fn by_name(&mut self, slot: &mut Slot<'_>) -> Result<()> {
        let own = self.directory.named(slot.name.as_ref());
        if own.is_none() && self.directory.is_other(slot.name.as_ref()) {
            return Err(Error::PinTaken {
                path: slot.path(),
                found: None,
            });
        }
        if let Some(index) = own.filter(|index| !self.is_of_kind(*index, slot)) {
            slot.other_kind = Some(index);
        }
        slot.old = own
            .map(|index| self.judge(index, slot))
            .transpose()?
            .flatten();
        for index in self.directory.left_beside(slot.name) {
            if let Some(left) = self.judge(index, slot)? {
                let (better, other) = match slot.old.take() {
                    Some(own) if !is_better(slot, &left, &own) => (own, Some(left)),
                    own => (left, own),
                };
                slot.old = Some(better);
                self.give_back(other);
            }
        }
        Ok(())
    }

    /// A program that is there already keeps its link, as some hooks do not take it twice.
    fn by_program(&mut self, slots: &mut [Slot<'_>]) -> Result<(), Refusal> {
        let mut running = HashMap::new();
        for (index, slot) in slots.iter().enumerate() {
            if let Some(old) = slot.old.as_ref().filter(|_| !slot.has_wanted()) {
                running.insert((slot.ready.kind(), old.judged.attached), index);
            }
        }
        for index in 0..slots.len() {
            let Some(slot) = slots.get(index).filter(|slot| !slot.has_wanted()) else {
                continue;
            };
            let wanted = (slot.ready.kind(), Some(slot.ready.attached()));
            if let Some(other) = running.remove(&wanted) {
                self.exchange(slots, index, other)
                    .map_err(Refusal::of(index))?;
            }
        }
        Ok(())
    }

    /// Likewise, a link in the directory that no slot has, and that runs the wanted program on the
    /// hook, is taken over instead of the one that has the name.
    fn by_program_of_others(&mut self, slots: &mut [Slot<'_>]) -> Result<(), Refusal> {
        for (index, slot) in slots.iter_mut().enumerate() {
            if slot.old.is_none() || slot.has_wanted() {
                continue;
            }
            let found = self.on_hook(slot).map_err(Refusal::of(index))?;
            let wanted = Some(slot.ready.attached());
            match found {
                Some(found) if found.judged.attached == wanted => {
                    let named = slot.old.replace(found);
                    self.give_back(named);
                }
                found => self.give_back(found),
            }
        }
        Ok(())
    }

    /// Exchanges what two slots take over, if the first wants the second's on its hook.
    fn exchange(&mut self, slots: &mut [Slot<'_>], one: usize, other: usize) -> Result<()> {
        let Some([one, other]) = two(slots, one, other) else {
            return Ok(());
        };
        let (first, second) = (one.old.take(), other.old.take());
        let (second, fits) = self.judge_again(one, second)?;
        if !fits {
            one.old = first;
            // As it was judged before.
            (other.old, _) = self.judge_again(other, second)?;
            return Ok(());
        }
        one.old = second;
        let (first, fits) = self.judge_again(other, first)?;
        if fits {
            other.old = first;
        } else {
            self.give_back(first);
        }
        Ok(())
    }

    fn judge_again(&mut self, slot: &Slot<'_>, old: Option<Old>) -> Result<(Option<Old>, bool)> {
        let Some(old) = old else {
            return Ok((None, false));
        };
        let judged = slot.ready.judge(old.judged.link, &mut self.buf)?;
        let is_by_name = old.found == self.directory.named(slot.name.as_ref());
        let is_here = self.is_on_hook(&judged);
        let old = Old {
            judged,
            is_by_name,
            ..old
        };
        Ok((Some(old), is_here))
    }

    /// Other links of the directory that are on the hook, whatever their names.
    fn by_hook(&mut self, slots: &mut [Slot<'_>]) -> Result<(), Refusal> {
        let mut by_name: Vec<Option<usize>> = Vec::with_capacity(slots.len());
        for slot in &mut *slots {
            let elsewhere = if slot.has_here() {
                None
            } else {
                slot.old.take()
            };
            by_name.push(elsewhere.as_ref().and_then(|old| old.found));
            self.give_back(elsewhere);
        }
        for find in [Self::on_hook, Self::in_the_way] {
            for (index, slot) in slots.iter_mut().enumerate() {
                if slot.old.is_none() {
                    slot.old = find(self, slot).map_err(Refusal::of(index))?;
                }
            }
        }
        // What is elsewhere is replaced.
        for (index, (slot, own)) in slots.iter_mut().zip(by_name).enumerate() {
            if let (None, Some(own)) = (&slot.old, own) {
                slot.old = self.judge(own, slot).map_err(Refusal::of(index))?;
            }
        }
        Ok(())
    }

    fn on_hook(&mut self, slot: &Slot<'_>) -> Result<Option<Old>> {
        self.best_of(slot, Self::is_on_hook)
    }

    /// A link on another hook that keeps all others off this one, such as that of a sockmap's other
    /// verdict.
    fn in_the_way(&mut self, slot: &Slot<'_>) -> Result<Option<Old>> {
        self.best_of(slot, |_, judged| {
            judged.found == Match::OtherHook && judged.blocks == Blocks::Always
        })
    }

    /// The best of the directory's links for which `is_there` returns true.
    fn best_of(
        &mut self,
        slot: &Slot<'_>,
        is_there: impl Fn(&Self, &Judged) -> bool,
    ) -> Result<Option<Old>> {
        let mut best: Option<Old> = None;
        for index in 0..self.directory.links.len() {
            let Some(old) = self.judge(index, slot)? else {
                continue;
            };
            let is_candidate = is_there(self, &old.judged) && self.is_ours(&old)?;
            let is_wanted = old.judged.attached == Some(slot.ready.attached());
            let (better, other) = match best {
                best if !is_candidate => (best, Some(old)),
                Some(best) if !is_wanted => (Some(best), Some(old)),
                best => (Some(old), best),
            };
            best = better;
            self.give_back(other);
        }
        if let Some(best) = &mut best {
            best.is_by_name = false;
        }
        Ok(best)
    }

    /// Whether a link may be taken over because of the hook that it is on. One that would be kept
    /// with options that the kernel does not report may not: only its name could tell.
    fn is_on_hook(&self, judged: &Judged) -> bool {
        judged.is_surely_here() && !(self.keep_unreported && judged.found == Match::OptionsUnclear)
    }

    /// Whether a link of the directory may be taken over under another name.
    fn is_ours(&self, old: &Old) -> Result<bool> {
        let found = old.found.and_then(|index| self.directory.links.get(index));
        match (self.rule, found) {
            (Some(rule), Some(found)) => Ok(rule.is(found.stems(), || Ok(old.judged.attached))?),
            _ => Ok(true),
        }
    }

    /// A link of another kind by a wanted name is in the way, unless it is another slot's or stale.
    fn what_is_left(&self, slots: &[Slot<'_>]) -> Result<(), Refusal> {
        for (index, slot) in slots.iter().enumerate() {
            let found = slot
                .other_kind
                .and_then(|index| self.directory.links.get(index));
            let Some((found, link)) = found.and_then(|found| Some((found, found.link.as_ref()?)))
            else {
                continue;
            };
            let goes = match self.rule {
                // A killed run was about to replace it.
                None => found.is_beside_one_of(slots),
                Some(rule) => rule
                    .is([slot.name.as_ref()], || Attached::of(link))
                    .map_err(|error| Refusal::of(index)(error.into()))?,
            };
            if !goes {
                return Err(Refusal::of(index)(Error::PinTaken {
                    path: slot.path(),
                    found: Some(found.kind),
                }));
            }
        }
        Ok(())
    }

    fn is_of_kind(&self, index: usize, slot: &Slot<'_>) -> bool {
        let found = self.directory.links.get(index);
        found.is_some_and(|found| found.kind == slot.ready.kind())
    }

    /// Takes a link out of the directory, and holds it against what is wanted; `None` if it is of
    /// another kind, or another slot's.
    fn judge(&mut self, index: usize, slot: &Slot<'_>) -> Result<Option<Old>> {
        if !self.is_of_kind(index, slot) {
            return Ok(None);
        }
        let Some(found) = self.directory.links.get_mut(index) else {
            return Ok(None);
        };
        let Some(link) = found.link.take() else {
            return Ok(None);
        };
        Ok(Some(Old {
            judged: slot.ready.judge(link, &mut self.buf)?,
            found: Some(index),
            is_by_name: true,
        }))
    }

    /// Puts a link back that was taken out.
    fn give_back(&mut self, old: Option<Old>) {
        if let Some(old) = old {
            give_back(self.directory, old);
        }
    }
}

/// Puts a link back into the directory.
pub(super) fn give_back(directory: &mut Directory, old: Old) {
    if let Some(found) = old.found.and_then(|index| directory.links.get_mut(index)) {
        found.link = Some(old.judged.link);
    }
}

/// Two different ones of these.
fn two<T>(all: &mut [T], one: usize, other: usize) -> Option<[&mut T; 2]> {
    if one > other {
        let [other, one] = two(all, other, one)?;
        return Some([one, other]);
    }
    let (before, after) = all.split_at_mut_checked(other)?;
    Some([before.get_mut(one)?, after.first_mut()?])
}

/// Whether what was left beside the path is to be taken over, and not what is at the path.
fn is_better(slot: &Slot<'_>, left: &Old, own: &Old) -> bool {
    let is_wanted = left.judged.attached == Some(slot.ready.attached());
    // Where only one link can be on the hook, it is the newer one. The kernel counts ids up.
    let is_newer = slot.ready.attempt_tells() && left.judged.id.get() > own.judged.id.get();
    left.judged.is_here() && (is_wanted || is_newer || !own.judged.is_here())
}
