//! The fields of an info that a kernel may be too old to report although its struct reaches that far.
//!
//! The kernel gives back what it does not write. So such a field goes in with a mark, and is missing if the mark comes
//! back. A mark of 32 bits is a number that the field never has; one of 64 bits is made up at random for this process,
//! as a cookie can be any number.

use std::hash::{BuildHasher as _, RandomState};
use std::mem::offset_of;
use std::ops::Range;
use std::sync::OnceLock;

use bpf_link_sys as c;

use crate::kind::LinkKind;

macro_rules! field {
    ($($field:tt)+) => {{
        const START: usize = offset_of!(c::bpf_link_info, raw_tracepoint_union.$($field)+);
        START
    }};
}

/// The places of 32-bit and of 64-bit fields that this kind of link may have no value for.
///
/// None of them is where this kind has a pointer or a length: those go in, and the kernel follows them.
#[inline]
pub(crate) fn marked(kind: LinkKind) -> (&'static [usize], &'static [usize]) {
    match kind {
        LinkKind::RawTracepoint => (&[], &[field!(raw_tracepoint.cookie)]),
        LinkKind::Tracing => (
            &[field!(tracing.target_obj_id), field!(tracing.target_btf_id)],
            &[field!(tracing.cookie)],
        ),
        LinkKind::Iter => (
            &[
                field!(iter.map_union.map.map_id),
                // The id of a cgroup takes the place of both.
                field!(iter.cgroup_union.task.tid),
                field!(iter.cgroup_union.task.pid),
                field!(iter.cgroup_union.cgroup.order),
            ],
            &[],
        ),
        LinkKind::KprobeMulti => (
            &[field!(kprobe_multi.flags)],
            &[field!(kprobe_multi.missed)],
        ),
        LinkKind::UprobeMulti => (&[field!(uprobe_multi.flags), field!(uprobe_multi.pid)], &[]),
        // The first of these is the address of a kprobe, and the cookie of everything else.
        LinkKind::PerfEvent => (
            &[field!(perf_event.type_)],
            &[
                field!(perf_event.uprobe_union.uprobe.cookie),
                field!(perf_event.uprobe_union.uprobe.ref_ctr_offset),
                field!(perf_event.uprobe_union.kprobe.cookie),
            ],
        ),
        LinkKind::TracingMulti => (
            &[
                field!(tracing_multi.attach_type),
                field!(tracing_multi.btf_obj_id),
            ],
            &[],
        ),
        _ => (&[], &[]),
    }
}

/// Where what is particular to a kind begins.
const OF_THE_KIND: usize = offset_of!(c::bpf_link_info, raw_tracepoint_union);

/// What a kernel does not write that has links of this kind, but no info of it yet: all that is particular to the
/// kind. With it, the place of a marked field that tells.
///
/// Before it had such an info, the kernel gives the lengths back that went in.
#[inline]
pub(crate) fn without_info(kind: LinkKind) -> Option<(usize, Range<usize>)> {
    let tells = match kind {
        LinkKind::PerfEvent => field!(perf_event.type_),
        LinkKind::KprobeMulti => field!(kprobe_multi.flags),
        LinkKind::UprobeMulti => field!(uprobe_multi.flags),
        LinkKind::TracingMulti => field!(tracing_multi.attach_type),
        _ => return None,
    };
    Some((tells, OF_THE_KIND..size_of::<c::bpf_link_info>()))
}

/// Whether any of these bytes is of a field that this kind of link may have no value for.
pub(crate) fn may_be_missing(kind: LinkKind, bytes: Range<usize>) -> bool {
    let (short, long) = marked(kind);
    let short = short.iter().map(|&at| at..at + size_of::<u32>());
    let long = long.iter().map(|&at| at..at + size_of::<u64>());
    short
        .chain(long)
        .any(|field| field.start < bytes.end && bytes.start < field.end)
}

/// What a 32-bit field is marked with.
pub(crate) const MARK_32: u32 = u32::MAX;

/// What a 64-bit field is marked with, in this process.
#[inline]
pub(crate) fn mark_64() -> u64 {
    static MARK: OnceLock<u64> = OnceLock::new();
    *MARK.get_or_init(|| RandomState::new().hash_one("bpf_link_info"))
}

/// Bytes of an info, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ByteSet(u64);

const _: () = assert!(size_of::<c::bpf_link_info>() <= u64::BITS as usize);

impl ByteSet {
    #[inline]
    pub(crate) fn insert(&mut self, bytes: Range<usize>) {
        self.0 |= Self::of(bytes).0;
    }

    #[inline]
    pub(crate) fn intersects(self, bytes: Range<usize>) -> bool {
        self.0 & Self::of(bytes).0 != 0
    }

    #[inline]
    fn of(bytes: Range<usize>) -> Self {
        Self(below(bytes.end) & !below(bytes.start))
    }
}

/// The bytes before this one.
#[inline]
fn below(end: usize) -> u64 {
    let bit = u32::try_from(end)
        .ok()
        .and_then(|end| 1_u64.checked_shl(end));
    bit.map_or(u64::MAX, |bit| bit - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_kept_apart() {
        let mut set = ByteSet::default();
        set.insert(32..40);
        set.insert(60..64);
        assert!(set.intersects(39..41) && set.intersects(63..64));
        assert!(!set.intersects(40..60) && !set.intersects(0..32) && !set.intersects(64..72));
        assert!(!set.intersects(36..36));
    }

    #[test]
    fn the_mark_is_no_common_number() {
        assert!(mark_64() > u64::from(u32::MAX));
        assert_eq!(mark_64(), mark_64());
    }
}
