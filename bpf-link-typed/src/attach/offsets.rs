//! Lists of offsets and cookies, lent or given.

use std::borrow::Cow;

/// Offsets or cookies of several places, lent or given.
#[derive(Clone, Debug)]
pub struct OffsetsRef<'a>(pub(crate) Cow<'a, [u64]>);

impl<'a> From<&'a [u64]> for OffsetsRef<'a> {
    fn from(numbers: &'a [u64]) -> Self {
        Self(Cow::Borrowed(numbers))
    }
}

impl<'a, const N: usize> From<&'a [u64; N]> for OffsetsRef<'a> {
    fn from(numbers: &'a [u64; N]) -> Self {
        Self(Cow::Borrowed(numbers))
    }
}

impl<'a> From<&'a Vec<u64>> for OffsetsRef<'a> {
    fn from(numbers: &'a Vec<u64>) -> Self {
        Self(Cow::Borrowed(numbers))
    }
}

impl From<Vec<u64>> for OffsetsRef<'_> {
    fn from(numbers: Vec<u64>) -> Self {
        Self(Cow::Owned(numbers))
    }
}

impl<const N: usize> From<[u64; N]> for OffsetsRef<'_> {
    fn from(numbers: [u64; N]) -> Self {
        Self(Cow::Owned(numbers.to_vec()))
    }
}
