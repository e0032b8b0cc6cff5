//! The marks of fields that a kernel may be too old to report although its struct reaches that far.
//!
//! The kernel gives back what it does not write. So such a field goes in with a mark, and is
//! missing if the mark comes back. A mark of 32 bits is a number that the field never has; one of
//! 64 bits is chosen at random for this process, as a cookie can be any number.
//! [`layout`](super::layout) says which fields those are.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::OnceLock;

/// What a 32-bit field is marked with.
pub(super) const MARK_32: u32 = u32::MAX;

/// What a 64-bit field is marked with, in this process.
#[inline]
pub(super) fn mark_64() -> u64 {
    static MARK: OnceLock<u64> = OnceLock::new();
    *MARK.get_or_init(|| RandomState::new().hash_one("bpf_link_info"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_is_no_common_number() {
        assert!(mark_64() > u64::from(u32::MAX));
        assert_eq!(mark_64(), mark_64());
    }
}
