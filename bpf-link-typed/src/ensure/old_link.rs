//! How a link goes whose place another has taken.

use std::time::Duration;

use bpf_link::{Error, LinkId, RawLink};

use crate::ensure::outcome::OldLink;
use crate::error::Result;

/// How long the kernel is given to take a link off that nothing holds any more: it does so after a grace period, in its own
/// time.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// Detaches a link that has lost its pin, and closes it. If its kind cannot be detached, looks what becomes of it.
pub(super) fn retire(link: RawLink) -> Result<OldLink> {
    let id = link.id()?;
    match link.detach() {
        Ok(()) => return Ok(OldLink::Gone),
        Err(Error::UnsupportedByKind { .. } | Error::UnsupportedByKernel(_)) => {}
        Err(error) => return Err(error.into()),
    }
    drop(link);
    let mut waiting = Waiting::for_at_most(PATIENCE);
    loop {
        match RawLink::from_id(id) {
            Err(Error::Vanished(_)) => return Ok(OldLink::Gone),
            Err(Error::PermissionDenied(_)) => return Ok(OldLink::Unknown(id)),
            // Whoever opens a link while it goes is the one with whom it goes, and here that is at once.
            Ok(link) => drop(link),
            Err(error) => return Err(error.into()),
        }
        if !waiting.goes_on() {
            return Ok(OldLink::Held(id));
        }
    }
}

/// Removes the pin of a link that a killed run has left, and the link.
pub(super) fn remove(mut link: RawLink) -> Result<OldLink> {
    link.unpin()?;
    retire(link)
}

/// Takes a link off that was made just now, and could not be pinned. What was its pin for a moment may keep it for a while
/// longer.
pub(super) fn discard(link: &RawLink) {
    // Not every kind can be detached, and the error that is on its way says more.
    let _ = link.detach();
}

/// Opens a link again by its id, if somebody still holds it.
pub(super) fn reopen(id: LinkId) -> Option<RawLink> {
    RawLink::from_id(id).ok()
}

/// Pauses between looks, which grow, up to an end.
///
/// What they add up to counts, not what the clock says: while a virtual machine stands still its kernel gets nothing done, but
/// its clock goes on.
pub(super) struct Waiting {
    left: Duration,
    pause: Duration,
}

impl Waiting {
    pub(super) fn for_at_most(time: Duration) -> Self {
        Self {
            left: time,
            pause: Duration::from_micros(100),
        }
    }

    /// Pauses; whether it makes sense to look again.
    pub(super) fn goes_on(&mut self) -> bool {
        const LONGEST: Duration = Duration::from_millis(10);
        if self.left.is_zero() {
            return false;
        }
        std::thread::sleep(self.pause);
        self.left = self.left.saturating_sub(self.pause);
        self.pause = (self.pause * 2).min(LONGEST);
        true
    }
}
