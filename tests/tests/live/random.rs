//! Random numbers from a seed, so that what has failed can be done again.

use anyhow::{Result, ensure};
use rustix::rand::{GetRandomFlags, getrandom};

/// A generator: the same seed gives the same numbers.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// A seed that nobody knows before.
    pub(crate) fn any_seed() -> Result<u64> {
        let mut seed = [0; 8];
        let len = getrandom(&mut seed, GetRandomFlags::empty())?;
        ensure!(len == seed.len());
        Ok(u64::from_ne_bytes(seed))
    }

    /// The generator of one of several threads.
    pub(crate) fn new(seed: u64, thread: u64) -> Self {
        Self(seed ^ thread.wrapping_mul(0xd1b5_4a32_d192_ed03))
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        // A counter with a step without pattern, whose bits are mixed.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        for factor in [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb] {
            mixed = (mixed ^ (mixed >> 29)).wrapping_mul(factor);
        }
        mixed ^ (mixed >> 32)
    }

    /// A number below this one.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % end).unwrap_or_default()
    }

    /// One of these.
    pub(crate) fn choose<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }
}
