//! A set that was applied: its links, whether they are still its own, and letting go of them.

use std::fmt;
use std::sync::Arc;

use crate::ensure::member::{Kept, Waiting};
use crate::ensure::{Ensured, Standing, Stopped};
use crate::error::{Error, Result};
use crate::set::entry::SetKey;
use crate::set::report::SetReport;

/// A set that was applied: [`LinkSet::apply`](crate::set::LinkSet::apply). Dropping it changes
/// nothing: the pins keep the links.
pub struct Applied {
    report: SetReport,
    links: Vec<(Arc<str>, Box<dyn Kept>)>,
}

impl fmt::Debug for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Applied")
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}

impl Applied {
    pub(super) fn new(report: SetReport, links: Vec<(Arc<str>, Box<dyn Kept>)>) -> Self {
        Self { report, links }
    }

    /// Finds out what became of the old links that were only released.
    pub(super) fn settle(&mut self, waiting: &mut Waiting) {
        for (link, (_, kept)) in self.report.links.iter_mut().zip(&mut self.links) {
            link.outcome.settle(waiting);
            kept.set_outcome(link.outcome);
        }
        let others = self
            .report
            .stale
            .iter_mut()
            .chain(&mut self.report.left_over);
        for removed in others.filter_map(|link| link.removed.as_mut()) {
            removed.settle(waiting);
        }
    }

    /// What was done.
    #[must_use]
    pub fn report(&self) -> &SetReport {
        &self.report
    }

    /// The link that was added with this key; `None` if it is that of another set, or was
    /// [taken](Self::take).
    #[must_use]
    pub fn get<L: 'static>(&self, key: &SetKey<L>) -> Option<&Ensured<L>> {
        let (_, link) = self.links.iter().find(|(name, _)| key.is_to(name))?;
        link.as_any().downcast_ref()
    }

    /// As [`get`](Self::get), and removes the link from the set: [`stop`](Self::stop) leaves it.
    pub fn take<L: 'static>(&mut self, key: &SetKey<L>) -> Option<Ensured<L>> {
        self.get(key)?;
        let index = self.links.iter().position(|(name, _)| key.is_to(name))?;
        let (_, link) = self.links.remove(index);
        link.into_any().downcast().ok().map(|link| *link)
    }

    /// What has become of each link, with its name: [`Ensured::standing`].
    ///
    /// # Errors
    ///
    /// As [`Ensured::standing`], for the first link that has one.
    pub fn standing(&self) -> Result<Vec<(&str, Standing)>> {
        let links = self.links.iter();
        links
            .map(|(name, link)| Ok((&**name, link.standing()?)))
            .collect()
    }

    /// Whether every link is as this set left it. [`standing`](Self::standing) says which one is
    /// not, and [`Ensured::is_ours`] asks about one link.
    ///
    /// # Errors
    ///
    /// As [`standing`](Self::standing).
    pub fn is_ours(&self) -> Result<bool> {
        let mut standing = self.standing()?.into_iter();
        Ok(standing.all(|(_, standing)| standing == Standing::Ours))
    }

    /// Detaches and unpins the links that are still as this set left them, in reverse order, and
    /// nothing else: [`Ensured::stop`]. Returns what became of each link, with its name.
    ///
    /// It takes the lock of the directory once for all links, and waits for it as long as
    /// [`LinkSet::lock_within`](crate::LinkSet::lock_within) says.
    ///
    /// # Errors
    ///
    /// - Those of [`PinLock::of_within`](bpf_link::PinLock::of_within): nothing was let go of. A
    ///   missing directory is not an error.
    /// - That of [`Ensured::stop`] for the first link that fails. The other links are stopped all
    ///   the same.
    pub fn stop(self) -> Result<Vec<(String, Stopped)>> {
        // All pins are in one directory.
        let lock = match self.links.first() {
            Some((_, link)) => link.lock()?,
            None => None,
        };
        let mut refused: Option<Error> = None;
        let mut stopped = Vec::with_capacity(self.links.len());
        for (name, link) in self.links.into_iter().rev() {
            match link.stop_locked() {
                Ok(answer) => stopped.push((name.to_string(), answer)),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        drop(lock);
        refused.map_or(Ok(stopped), Err)
    }
}
