//! How a link goes whose place another has taken.

use std::time::Duration;

use bpf_link::{Error, LinkId, RawLink};

use crate::ensure::outcome::OldLink;
use crate::error::Result;

/// How long the kernel is given to take a link off that nothing holds any more: it does so after a
/// grace period, in its own time.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// Detaches a link that has lost its pin, and closes it. If its kind cannot be detached, looks what
/// becomes of it.
///
/// Where ours is the last descriptor to be closed, the program is off the hook when the close
/// returns. Where it is not, the kernel takes the program off after the id has gone, so that the id
/// tells too early. Kernels that let go of a removed pin late (those without `bpf_destroy_inode`,
/// such as Linux 5.10) would be the last as a rule: so the link is open except for the moment of a
/// look.
pub(super) fn retire(mut link: RawLink) -> Result<OldLink> {
    let id = link.id()?;
    match link.detach() {
        Ok(()) => return Ok(OldLink::Gone),
        Err(Error::UnsupportedByKind { .. } | Error::UnsupportedByKernel(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let mut waiting = Waiting::for_at_most(PATIENCE);
    loop {
        drop(link);
        link = match RawLink::from_id(id) {
            Ok(link) => link,
            Err(Error::Vanished(_)) => return Ok(OldLink::Gone),
            Err(Error::PermissionDenied(_)) => return Ok(OldLink::Unknown(id)),
            Err(error) => return Err(error.into()),
        };
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

/// Takes a link off that was made just now, and could not be pinned. What was its pin for a moment
/// may keep it for a while longer.
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
/// What they add up to counts, not what the clock says: while a virtual machine stands still its
/// kernel gets nothing done, but its clock goes on.
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
