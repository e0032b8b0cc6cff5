//! Links of ours that are on a hook of the set, but not pinned in its directory.

use bpf_link::{LinkId, RawLink};

use crate::ensure::Ours;
use crate::ensure::member::{self, Judged};
use crate::error::{Error, Result};
use crate::set::assign::Assigning;
use crate::set::slot::{Old, Refusal, Slot};

impl Assigning<'_> {
    /// Looks through all links of the machine once, if a slot has no link on its hook.
    pub(super) fn orphans(&mut self, slots: &mut [Slot<'_>], ours: &Ours) -> Result<(), Refusal> {
        if slots.iter().all(Slot::has_here) {
            return Ok(());
        }
        let directory = &self.directory;
        let mut orphans = member::search_all(ours, &directory.path, |link| directory.has(link))?;
        for (index, slot) in slots.iter_mut().enumerate() {
            if !slot.has_here() {
                self.adopt(slot, &mut orphans).map_err(Refusal::of(index))?;
            }
        }
        Ok(())
    }

    fn adopt(&mut self, slot: &mut Slot<'_>, orphans: &mut Vec<RawLink>) -> Result<()> {
        let mut here: Vec<Judged> = Vec::new();
        for link in std::mem::take(orphans) {
            if link.kind()? != slot.ready.kind() {
                orphans.push(link);
                continue;
            }
            let judged = slot.ready.judge(link, &mut self.buf)?;
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
            let path = slot.path();
            return Err(Error::OursFound { path, links });
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
