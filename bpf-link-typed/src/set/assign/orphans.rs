//! Links of ours that are on a hook of the set, but not pinned in its directory.

use bpf_link::{LinkId, RawLink};

use crate::ensure::Ours;
use crate::ensure::member::Judged;
use crate::error::{Error, Result};
use crate::set::assign::{Assigning, Old, Refusal, Slot, attached_by};

impl Assigning<'_> {
    /// Looks through all links of the machine once, if a slot has no link on its hook.
    pub(super) fn orphans(&mut self, slots: &mut [Slot<'_>], ours: &Ours) -> Result<(), Refusal> {
        if slots.iter().all(Slot::has_here) {
            return Ok(());
        }
        let mut orphans = self.search(ours)?;
        for (index, slot) in slots.iter_mut().enumerate() {
            if !slot.has_here() {
                self.adopt(slot, &mut orphans).map_err(Refusal::of(index))?;
            }
        }
        Ok(())
    }

    fn search(&self, ours: &Ours) -> Result<Vec<RawLink>> {
        let mut found = Vec::new();
        for link in bpf_link::links() {
            let link = link?;
            if self.directory.has(link.id()?) {
                continue;
            }
            let Some(attached) = attached_by(&link)? else {
                continue;
            };
            match ours.is(attached) {
                Ok(true) => found.push(link),
                // A program that has gone since was not on a link that is still there.
                Ok(false) | Err(bpf_link::Error::Vanished(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(found)
    }

    fn adopt(&mut self, slot: &mut Slot<'_>, orphans: &mut Vec<RawLink>) -> Result<()> {
        let mut here: Vec<Judged> = Vec::new();
        for link in std::mem::take(orphans) {
            if link.kind()? != slot.ready.kind() {
                orphans.push(link);
                continue;
            }
            let judged = slot.ready.judge(link)?;
            if judged.is_here() {
                here.push(judged);
            } else {
                orphans.push(judged.link);
            }
        }
        let links: Vec<LinkId> = here.iter().map(|judged| judged.id).collect();
        let Some(judged) = here.pop() else {
            return Ok(());
        };
        if !here.is_empty() {
            return Err(Error::OursFound { links });
        }
        if slot.ready.attempt_tells() {
            slot.orphan = Some(judged);
            return Ok(());
        }
        let elsewhere = slot.old.take();
        self.give_back(elsewhere);
        slot.old = Some(Old {
            judged,
            found: None,
            is_by_name: false,
        });
        Ok(())
    }
}
