//! What is wanted of a set, besides its links.

use std::time::Duration;

use bpf_link::PinLock;

use crate::ensure::Ours;
use crate::ensure::member::Trust;
use crate::set::stale::Stale;

/// What is wanted of a set, besides its links.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) parents: Option<u32>,
    pub(super) trust: Trust,
    /// How long to wait for the lock.
    pub(super) lock_within: Duration,
    /// How long to wait, once the lock is released, for old links that cannot be detached to go.
    pub(super) wait_for_old: Option<Duration>,
    pub(super) stale: Option<Stale>,
    pub(super) ours: Option<Ours>,
    pub(super) without_rollback: bool,
    pub(super) keep_unreported: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            parents: None,
            trust: Trust::default(),
            lock_within: PinLock::PATIENCE,
            wait_for_old: None,
            stale: None,
            ours: None,
            without_rollback: false,
            keep_unreported: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_waits_for_the_lock_for_ten_seconds() {
        assert_eq!(Options::default().lock_within, Duration::from_secs(10));
    }
}
