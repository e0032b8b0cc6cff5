//! A thread that does things at random to the links of its places.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bpf_link::LinkId;

use super::operation::{Counts, Operation};
use super::places::Place;
use super::slot::Slot;
use crate::fixture::random::Random;

/// A thread.
#[derive(Debug)]
pub(super) struct Worker<'a> {
    gate: &'a RwLock<()>,
    random: Random,
    slots: Vec<Slot<'a>>,
    counts: Counts,
}

impl<'a> Worker<'a> {
    pub(super) fn new(
        bpffs: &Path,
        gate: &'a RwLock<()>,
        places: &'a [Place],
        seed: u64,
        number: u64,
    ) -> Self {
        let slots = places.iter().map(|place| Slot::new(bpffs, place, number));
        Self {
            gate,
            random: Random::new(seed, number),
            slots: slots.collect(),
            counts: Counts::default(),
        }
    }

    /// Does one thing after the other until it is time, and lets go of all links. An error says
    /// what was not as it had to be.
    ///
    /// A machine that is short of time goes on until everything was done once.
    pub(super) fn work(mut self, end: Instant) -> Result<Counts> {
        const PATIENCE: Duration = Duration::from_secs(60);
        let is_time = |counts: &Counts| {
            let over = Instant::now().checked_duration_since(end);
            over.is_some_and(|over| over > PATIENCE || counts.never().is_empty())
        };
        while !is_time(&self.counts) {
            let index = self.random.below(self.slots.len());
            let operation = *self.random.choose(&Operation::ALL).context("none")?;
            let walks = operation == Operation::Walk;
            let one_in = match operation {
                // It is as long as there are links.
                Operation::Walk => 8,
                // After it there is less to do.
                Operation::Detach | Operation::Close => 4,
                _ => 1,
            };
            if self.random.below(one_in) != 0 {
                continue;
            }
            let slot = self.slots.get(index).context("no place")?;
            let before = slot.to_string();
            let done = if walks {
                self.walk()
            } else {
                self.one(index, operation)
            };
            let done = done.with_context(|| format!("{operation:?} on {before}"))?;
            if let Some(is_refused) = done {
                self.counts.count(operation, is_refused);
            }
        }
        Ok(std::mem::take(&mut self.counts))
    }

    fn one(&mut self, index: usize, operation: Operation) -> Result<Option<bool>> {
        let slot = self.slots.get_mut(index).context("no place")?;
        slot.apply(operation, &mut self.random, self.gate)
    }

    /// Walks all links, while other threads make and close theirs: this thread's own are met, each
    /// once.
    fn walk(&self) -> Result<Option<bool>> {
        let own: BTreeSet<LinkId> = self.slots.iter().filter_map(Slot::link_id).collect();
        let mut met = BTreeSet::new();
        let mut walk = bpf_link::links();
        loop {
            // Nobody closes a link for the last time while it is open here: it would not go.
            let _open = self.gate.read().unwrap_or_else(PoisonError::into_inner);
            let Some(link) = walk.next() else { break };
            let id = link?.id()?;
            ensure!(met.insert(id), "link {id} was met twice");
        }
        let missed: Vec<_> = own.difference(&met).collect();
        ensure!(missed.is_empty(), "not met: {missed:?}");
        Ok(Some(false))
    }
}
