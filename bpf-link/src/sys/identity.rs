//! What never changes about a link, remembered once the kernel has said it.

use std::mem::offset_of;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use bpf_link_sys as c;

use super::info_bytes::InfoBytes;

/// What never changes about a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) kind: u32,
    pub(crate) id: u32,
    /// How many bytes of info this kernel has.
    pub(crate) info_len: u32,
}

impl Identity {
    /// Of the link that has this info, which is that long on this kernel.
    #[inline]
    pub(super) fn of(info: &InfoBytes, info_len: u32) -> Self {
        Self {
            kind: info.u32_at(offset_of!(c::bpf_link_info, type_)),
            id: info.u32_at(offset_of!(c::bpf_link_info, id)),
            info_len,
        }
    }
}

/// The identity of one link, or nothing yet.
///
/// Threads may put it there at the same time, as all of them put the same: that takes no lock,
/// which each link of a walk would pay for.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    /// The kind, and above it the id; neither is ever 0 once it is known.
    kind_and_id: AtomicU64,
    info_len: AtomicU32,
}

impl Remembered {
    #[inline]
    pub(super) fn get(&self) -> Option<Identity> {
        let [kind, id] = halves(self.kind_and_id.load(Ordering::Acquire));
        // No link is of kind 0.
        (kind != 0 && id != 0).then(|| Identity {
            kind,
            id,
            info_len: self.info_len.load(Ordering::Relaxed),
        })
    }

    /// The id, which may be known before the rest is.
    #[inline]
    pub(super) fn id(&self) -> u32 {
        let [_, id] = halves(self.kind_and_id.load(Ordering::Acquire));
        id
    }

    /// Puts the id there, of a link that was opened by it.
    #[inline]
    pub(super) fn put_id(&self, id: u32) {
        self.kind_and_id
            .store(u64::from(id) << 32, Ordering::Release);
    }

    /// The length is there before the rest is, which says that it is.
    #[inline]
    pub(super) fn put(&self, identity: Identity) {
        let both = u64::from(identity.id) << 32 | u64::from(identity.kind);
        self.info_len.store(identity.info_len, Ordering::Relaxed);
        self.kind_and_id.store(both, Ordering::Release);
    }
}

impl Clone for Remembered {
    fn clone(&self) -> Self {
        let clone = Self::default();
        match self.get() {
            Some(identity) => clone.put(identity),
            None => clone.put_id(self.id()),
        }
        clone
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the lower half is what is wanted"
)]
#[inline]
const fn halves(both: u64) -> [u32; 2] {
    [both as u32, (both >> 32) as u32]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_may_be_known_alone() {
        let remembered = Remembered::default();
        assert_eq!(remembered.id(), 0);
        remembered.put_id(7);
        assert_eq!((remembered.get(), remembered.id()), (None, 7));
        assert_eq!(
            (remembered.clone().get(), remembered.clone().id()),
            (None, 7)
        );
        let identity = Identity {
            kind: 1,
            id: 7,
            info_len: 64,
        };
        remembered.put(identity);
        assert_eq!((remembered.get(), remembered.id()), (Some(identity), 7));
    }

    #[test]
    fn what_was_put_is_there() {
        let remembered = Remembered::default();
        assert_eq!(remembered.get(), None);
        assert_eq!(remembered.clone().get(), None);
        let identity = Identity {
            kind: 0x8765_4321,
            id: 0xfedc_ba98,
            info_len: 64,
        };
        remembered.put(identity);
        assert_eq!(remembered.get(), Some(identity));
        assert_eq!(remembered.clone().get(), Some(identity));
    }
}
