//! Memory that is lent to the kernel for names and arrays.

use std::ffi::CStr;

use crate::error::{Error, same_length};
use crate::kind::LinkKind;
use crate::sys;

/// Memory that is lent to the kernel, for the names and arrays of one kind of link.
///
/// An empty slice asks for nothing. How long each should be, the kernel says in an info without buffers:
/// [`LinkInfo::name_len`](crate::LinkInfo::name_len) bytes, [`LinkInfo::count`](crate::LinkInfo::count) entries.
/// A longer one is filled as far as there is something to fill it with.
#[derive(Debug)]
#[non_exhaustive]
pub enum InfoBuffers<'a> {
    /// For a [`LinkKind::Tracing`] link, which has neither name nor arrays, but fields that not every kernel reports.
    Tracing,
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

impl InfoBuffers<'_> {
    /// The kind of link that these buffers are for.
    #[inline]
    #[must_use]
    pub fn kind(&self) -> LinkKind {
        match self {
            Self::Tracing => LinkKind::Tracing,
            Self::RawTracepoint { .. } => LinkKind::RawTracepoint,
            Self::Iter { .. } => LinkKind::Iter,
            Self::PerfEvent { .. } => LinkKind::PerfEvent,
            Self::KprobeMulti { .. } => LinkKind::KprobeMulti,
            Self::UprobeMulti { .. } => LinkKind::UprobeMulti,
            Self::TracingMulti { .. } => LinkKind::TracingMulti,
        }
    }

    /// The name that the kernel has written into a buffer, up to its NUL; `None` if it is empty or has no NUL.
    #[inline]
    #[must_use]
    pub fn name_in(buffer: &[u8]) -> Option<&CStr> {
        sys::until_nul(buffer).filter(|name| !name.is_empty())
    }

    /// Refuses arrays of different lengths: the kernel takes one number for all of them.
    #[inline]
    pub(crate) fn check_lengths(&self) -> Result<(), Error> {
        let arrays = match self {
            Self::Tracing
            | Self::RawTracepoint { .. }
            | Self::Iter { .. }
            | Self::PerfEvent { .. }
            | Self::KprobeMulti { cookies: [], .. } => return Ok(()),
            // The kernel gives no cookies without addresses, so an empty slice of those is a mismatch as well.
            Self::KprobeMulti { addresses, cookies } => {
                return same_length("kprobe_multi.cookies", addresses.len(), cookies.len());
            }
            Self::UprobeMulti {
                offsets,
                ref_ctr_offsets,
                cookies,
                ..
            } => [
                ("uprobe_multi.offsets", offsets.len()),
                ("uprobe_multi.ref_ctr_offsets", ref_ctr_offsets.len()),
                ("uprobe_multi.cookies", cookies.len()),
            ],
            Self::TracingMulti {
                ids,
                addresses,
                cookies,
            } => [
                ("tracing_multi.ids", ids.len()),
                ("tracing_multi.addrs", addresses.len()),
                ("tracing_multi.cookies", cookies.len()),
            ],
        };
        let mut asked = arrays.into_iter().filter(|(_, len)| *len != 0);
        let Some((_, expected)) = asked.next() else {
            return Ok(());
        };
        asked.try_for_each(|(what, found)| same_length(what, expected, found))
    }
}
