//! What becomes of a link that another has replaced.

use std::time::Duration;

use bpf_link::{Error, LinkId, RawLink};

use crate::ensure::outcome::{OldLink, Outcome};

/// Detaches a link that has lost its pin, and closes it. A link of a kind that cannot be detached
/// is freed with its last descriptor or pin.
///
/// Where ours is the last descriptor to be closed, the program is off the hook when the close
/// returns. A refusal is not an error: the new link is in place.
pub(crate) fn retire(link: RawLink, id: LinkId) -> OldLink {
    let detached = link.detach();
    drop(link);
    match detached {
        Ok(()) => OldLink::Gone,
        Err(Error::UnsupportedByKind { .. } | Error::UnsupportedByKernel(_)) => {
            OldLink::Released(id)
        }
        Err(_) => OldLink::Unknown(id),
    }
}

impl OldLink {
    /// Finds out what became of a link that was only released. Several can share the time to wait.
    pub(crate) fn settle(&mut self, waiting: &mut Waiting) {
        if let Self::Released(id) = *self {
            *self = await_end(id, waiting);
        }
    }
}

impl Outcome {
    /// The same, of the link that was replaced.
    pub(crate) fn settle(&mut self, waiting: &mut Waiting) {
        if let Self::Replaced { old_link, .. } = self {
            old_link.settle(waiting);
        }
    }
}

/// Waits until no link has this id.
///
/// Where ours is not the last descriptor to be closed, the kernel takes the program off after the
/// id has gone, so that the id tells too early. Kernels that let go of a removed pin late (those
/// without `bpf_destroy_inode`, such as Linux 5.10) would be the last as a rule: so the link is
/// open except for the moment of a look.
fn await_end(id: LinkId, waiting: &mut Waiting) -> OldLink {
    loop {
        let _open = match RawLink::from_id(id) {
            Ok(link) => link,
            Err(Error::Vanished(_)) => return OldLink::Gone,
            Err(_) => return OldLink::Unknown(id),
        };
        if !waiting.goes_on() {
            return OldLink::Held(id);
        }
    }
}

/// Takes a link off that was made just now, and could not be pinned. What was its pin for a moment
/// may keep it for a while longer.
pub(super) fn discard(link: &RawLink) {
    // Not every kind can be detached, and the error that is on its way says more.
    let _ = link.detach();
}

/// Opens a link again by its id, if somebody still holds it.
pub(crate) fn reopen(id: LinkId) -> Option<RawLink> {
    RawLink::from_id(id).ok()
}

/// Pauses with the link open, if it is there still; whether it makes sense to look again.
///
/// A kernel may hold the link for its removed pin a while longer. If that were the last to let go,
/// the program would be taken off in a worker, which may take seconds on a machine that is short of
/// time. By the close of the last descriptor it is off at once.
pub(crate) fn waits_open(id: LinkId, waiting: &mut Waiting) -> bool {
    let _open = reopen(id);
    waiting.goes_on()
}

/// Pauses between looks, which grow, up to an end.
///
/// What they add up to counts, not what the clock says: while a virtual machine stands still its
/// kernel gets nothing done, but its clock goes on.
pub(crate) struct Waiting {
    left: Duration,
    pause: Duration,
}

impl Waiting {
    /// For a hook that looks taken because the kernel removes an old link from it only after a
    /// grace period.
    pub(crate) fn until_free() -> Self {
        Self::for_at_most(Duration::from_secs(1))
    }

    /// For a hook whose link cannot be detached, once we hold no descriptor and no pin of it.
    pub(crate) fn until_gone() -> Self {
        Self::for_at_most(Duration::from_secs(5))
    }

    pub(crate) fn for_at_most(time: Duration) -> Self {
        Self {
            left: time,
            pause: Duration::from_micros(100),
        }
    }

    /// Pauses; whether it makes sense to look again.
    pub(crate) fn goes_on(&mut self) -> bool {
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
