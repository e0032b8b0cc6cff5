//! Sets of bytes of an info.

use std::ops::Range;

use bpf_link_sys as c;

/// Bytes of an info, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ByteSet(u64);

const _: () = assert!(size_of::<c::bpf_link_info>() <= u64::BITS as usize);

impl ByteSet {
    pub(crate) const EMPTY: Self = Self(0);

    #[inline]
    pub(crate) const fn of(bytes: &Range<usize>) -> Self {
        Self(below(bytes.end) & !below(bytes.start))
    }

    #[inline]
    pub(crate) const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[inline]
    pub(crate) fn insert(&mut self, bytes: &Range<usize>) {
        *self = self.union(Self::of(bytes));
    }

    #[inline]
    pub(crate) const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    #[inline]
    pub(crate) const fn contains(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }
}

/// The bytes before this one.
#[inline]
const fn below(end: usize) -> u64 {
    if end < u64::BITS as usize {
        (1 << end) - 1
    } else {
        u64::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_kept_apart() {
        let mut set = ByteSet::default();
        set.insert(&(32..40));
        set.insert(&(60..64));
        for has in [39..41, 63..64] {
            assert!(set.intersects(ByteSet::of(&has)), "{has:?}");
        }
        for has_not in [40..60, 0..32, 64..72, 36..36] {
            assert!(!set.intersects(ByteSet::of(&has_not)), "{has_not:?}");
        }
        for contains in [32..40, 33..34, 60..64, 50..50] {
            assert!(set.contains(ByteSet::of(&contains)), "{contains:?}");
        }
        for contains_not in [31..40, 32..41, 40..60, 0..64] {
            assert!(
                !set.contains(ByteSet::of(&contains_not)),
                "{contains_not:?}"
            );
        }
    }
}
