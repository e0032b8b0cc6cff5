//! The bytes of a link's info.

use std::ops::Range;

use bpf_link_sys as c;

/// The size of this release's `struct bpf_link_info`.
pub(crate) const INFO_SIZE: usize = size_of::<c::bpf_link_info>();

/// The bytes of a `struct bpf_link_info`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(8))]
pub(crate) struct InfoBytes([u8; INFO_SIZE]);

impl InfoBytes {
    pub(crate) const ZERO: Self = Self([0; INFO_SIZE]);

    /// These bytes, as far as there is room, followed by zeros.
    pub(crate) fn of_recorded(bytes: &[u8]) -> Self {
        let mut recorded = Self::ZERO;
        for (to, from) in recorded.0.iter_mut().zip(bytes) {
            *to = *from;
        }
        recorded
    }

    #[inline]
    pub(crate) fn as_slice(&self) -> &[u8; INFO_SIZE] {
        &self.0
    }

    /// The 32-bit field at this offset; 0 beyond the end.
    #[inline]
    pub(crate) fn u32_at(&self, offset: usize) -> u32 {
        let field = self.0.get(offset..).and_then(<[u8]>::first_chunk);
        u32::from_ne_bytes(field.copied().unwrap_or_default())
    }

    /// Makes this field zeros if it has this value; says whether it had.
    #[inline]
    pub(super) fn take<const N: usize>(&mut self, offset: usize, value: [u8; N]) -> bool {
        match self.field_mut(offset) {
            Some(field) if *field == value => {
                *field = [0; N];
                true
            }
            _ => false,
        }
    }

    #[inline]
    pub(super) fn put<const N: usize>(&mut self, offset: usize, value: [u8; N]) {
        if let Some(field) = self.field_mut(offset) {
            *field = value;
        }
    }

    /// The bytes of a field of this length.
    #[inline]
    fn field_mut<const N: usize>(&mut self, offset: usize) -> Option<&mut [u8; N]> {
        self.0.get_mut(offset..)?.first_chunk_mut()
    }

    /// Makes these bytes zeros.
    #[inline]
    pub(super) fn clear(&mut self, bytes: Range<usize>) {
        if let Some(bytes) = self.0.get_mut(bytes) {
            bytes.fill(0);
        }
    }
}
