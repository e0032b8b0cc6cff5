//! Memory that is lent to the kernel for names and arrays.

use std::ffi::CStr;

use crate::error::{Error, Target, same_length};
use crate::kind::LinkKind;
use crate::sys;
use crate::sys::layout::{MOST_ARRAYS, layout};

/// Memory that is lent to the kernel, for the names and arrays of one kind of link.
///
/// An empty slice asks for nothing. How long each should be, the kernel says in an info without
/// buffers: [`LinkInfo::name_len`](crate::LinkInfo::name_len) bytes,
/// [`LinkInfo::count`](crate::LinkInfo::count) entries. A longer one is filled as far as there is
/// something to fill it with.
#[derive(Debug)]
#[non_exhaustive]
pub enum InfoBuffers<'a> {
    /// For a [`LinkKind::RawTracepoint`] link.
    RawTracepoint {
        /// The tracepoint's name, with its NUL.
        name: &'a mut [u8],
    },
    /// For a [`LinkKind::Iter`] link.
    Iter {
        /// The target's name, with its NUL.
        target_name: &'a mut [u8],
    },
    /// For a [`LinkKind::PerfEvent`] link. Filled since Linux 6.6.
    PerfEvent {
        /// The function, file or tracepoint, with its NUL.
        name: &'a mut [u8],
    },
    /// For a [`LinkKind::KprobeMulti`] link. Filled since Linux 6.6, the cookies since Linux 6.9.
    KprobeMulti {
        /// The functions, in the kernel's order. All 0 if addresses are hidden from the caller.
        addresses: &'a mut [u64],
        /// The cookies, in the order of the addresses, which have to be asked for as well.
        cookies: &'a mut [u64],
    },
    /// For a [`LinkKind::UprobeMulti`] link. Filled since Linux 6.8.
    UprobeMulti {
        /// The file, with its NUL, as seen from the caller's root.
        path: &'a mut [u8],
        /// The probes, in bytes from the start of the file.
        offsets: &'a mut [u64],
        /// Their reference counters, in bytes from the start of the file.
        ref_ctr_offsets: &'a mut [u64],
        /// Their cookies.
        cookies: &'a mut [u64],
    },
    /// For a [`LinkKind::TracingMulti`] link. Filled since Linux 7.3.
    TracingMulti {
        /// The functions, as numbers of types in the BTF object.
        ids: &'a mut [u32],
        /// The functions' addresses. All 0 if they are hidden from the caller.
        addresses: &'a mut [u64],
        /// The cookies.
        cookies: &'a mut [u64],
    },
}

impl<'a> InfoBuffers<'a> {
    /// The kind of link that these buffers are for.
    #[inline]
    #[must_use]
    pub fn kind(&self) -> LinkKind {
        match self {
            Self::RawTracepoint { .. } => LinkKind::RawTracepoint,
            Self::Iter { .. } => LinkKind::Iter,
            Self::PerfEvent { .. } => LinkKind::PerfEvent,
            Self::KprobeMulti { .. } => LinkKind::KprobeMulti,
            Self::UprobeMulti { .. } => LinkKind::UprobeMulti,
            Self::TracingMulti { .. } => LinkKind::TracingMulti,
        }
    }

    /// The name that the kernel has written into a buffer, up to its NUL; `None` if it is empty or
    /// has no NUL.
    #[inline]
    #[must_use]
    pub fn name_in(buffer: &[u8]) -> Option<&CStr> {
        sys::until_nul(buffer).filter(|name| !name.is_empty())
    }

    /// The same, in the order of the kind's layout.
    #[inline]
    pub(crate) fn lent(self) -> Lent<'a> {
        let kind = self.kind();
        let (name, arrays) = match self {
            Self::RawTracepoint { name }
            | Self::Iter { target_name: name }
            | Self::PerfEvent { name } => (name, [Entries::NONE, Entries::NONE, Entries::NONE]),
            Self::KprobeMulti { addresses, cookies } => (
                &mut [][..],
                [
                    Entries::U64(addresses),
                    Entries::U64(cookies),
                    Entries::NONE,
                ],
            ),
            Self::UprobeMulti {
                path,
                offsets,
                ref_ctr_offsets,
                cookies,
            } => (
                path,
                [
                    Entries::U64(offsets),
                    Entries::U64(ref_ctr_offsets),
                    Entries::U64(cookies),
                ],
            ),
            Self::TracingMulti {
                ids,
                addresses,
                cookies,
            } => (
                &mut [][..],
                [
                    Entries::U32(ids),
                    Entries::U64(addresses),
                    Entries::U64(cookies),
                ],
            ),
        };
        Lent { kind, name, arrays }
    }
}

/// Memory for what a link of this kind has: a name, and arrays in the order of the kind's layout.
#[derive(Debug)]
pub(crate) struct Lent<'a> {
    pub(crate) kind: LinkKind,
    pub(crate) name: &'a mut [u8],
    pub(crate) arrays: [Entries<'a>; MOST_ARRAYS],
}

/// Memory for an array.
#[derive(Debug)]
pub(crate) enum Entries<'a> {
    U32(&'a mut [u32]),
    U64(&'a mut [u64]),
}

impl Lent<'_> {
    /// The address to write the name to.
    #[inline]
    pub(crate) fn name_address(&mut self) -> u64 {
        self.name.as_mut_ptr() as u64
    }

    /// Refuses arrays of different lengths: the kernel takes one number for all of them.
    #[inline]
    pub(crate) fn check_lengths(&self, of: impl Fn() -> Target) -> Result<(), Error> {
        let mut expected = None;
        for (array, entries) in layout(self.kind).arrays.iter().zip(&self.arrays) {
            match (expected, entries.len()) {
                (_, 0) => {}
                (Some(expected), len) => same_length(array.path, expected, len, &of)?,
                // The kernel writes it only together with the first one, which was not asked for.
                (None, len) if array.is_newer => same_length(array.path, 0, len, &of)?,
                (None, len) => expected = Some(len),
            }
        }
        Ok(())
    }
}

impl Entries<'_> {
    const NONE: Self = Self::U64(&mut []);

    #[inline]
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::U32(entries) => entries.len(),
            Self::U64(entries) => entries.len(),
        }
    }

    #[inline]
    pub(crate) fn size_of_entry(&self) -> usize {
        match self {
            Self::U32(_) => size_of::<u32>(),
            Self::U64(_) => size_of::<u64>(),
        }
    }

    /// The address to write to.
    #[inline]
    pub(crate) fn address(&mut self) -> u64 {
        match self {
            Self::U32(entries) => entries.as_mut_ptr() as u64,
            Self::U64(entries) => entries.as_mut_ptr() as u64,
        }
    }

    /// The first entry, if it has 64 bits.
    #[inline]
    pub(crate) fn first_mut(&mut self) -> Option<&mut u64> {
        match self {
            Self::U32(_) => None,
            Self::U64(entries) => entries.first_mut(),
        }
    }
}
