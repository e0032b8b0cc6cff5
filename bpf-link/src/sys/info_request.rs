//! Fills an info request, and takes marks and addresses back from the answer. Both are loops over
//! the kind's row in [`layout`](super::layout).

use super::byte_set::ByteSet;
use super::identity::Identity;
use super::info_bytes::InfoBytes;
use super::layout::{ARM, Field, Layout, MOST_ARRAYS, layout};
use super::marks::{MARK_32, mark_64};
use crate::args::info_buffers::{Entries, Lent};
use crate::kind::LinkKind;

/// What may go into a request for the info of a link.
#[derive(Clone, Copy)]
pub(super) struct Request {
    /// The row of the link's kind.
    pub(super) layout: &'static Layout,
    /// Bytes beyond this length must be zeros, or the kernel refuses the whole request.
    known_len: usize,
}

/// What the first entry of each array was before it was marked.
pub(super) struct FirstEntries([Option<u64>; MOST_ARRAYS]);

impl Request {
    /// A request for the link with this identity.
    #[inline]
    pub(super) fn of(identity: Identity) -> Self {
        Self::of_kind(LinkKind::from_raw(identity.kind), identity)
    }

    /// The same where the caller has the kind from elsewhere: if the compiler knows it, the loops
    /// over the row unroll.
    #[inline]
    pub(super) fn of_kind(kind: LinkKind, identity: Identity) -> Self {
        debug_assert!(kind.as_raw() == identity.kind);
        Self {
            layout: layout(kind),
            known_len: identity.info_len as usize,
        }
    }

    /// Marks the fields that the kernel may leave as they are.
    #[inline]
    pub(super) fn mark(self, info: &mut InfoBytes) {
        for &field in self.layout.marks_32 {
            self.put_u32(info, field, MARK_32);
        }
        if let marks @ [_, ..] = self.layout.marks_64 {
            let mark = mark_64();
            for &field in marks {
                self.put_u64(info, field, mark);
            }
        }
    }

    /// Zeroes the fields that still have their marks, and returns which they are. The kernel has
    /// written `len` bytes.
    #[inline]
    pub(super) fn take_marks(self, info: &mut InfoBytes, len: usize) -> ByteSet {
        let mut missing = ByteSet::EMPTY;
        for &field in self.layout.marks_32 {
            if info.take(field.start(), MARK_32.to_ne_bytes()) {
                missing.insert(&field.bytes());
            }
        }
        if let marks @ [_, ..] = self.layout.marks_64 {
            let mark = mark_64();
            for &field in marks {
                if info.take(field.start(), mark.to_ne_bytes()) {
                    missing.insert(&field.bytes());
                }
            }
        }
        if let Some(tells) = self.layout.tells {
            if tells.end() > len || missing.contains(ByteSet::of(&tells.bytes())) {
                // The lengths that went in have come back.
                info.clear(ARM);
                missing.insert(&ARM);
            }
        }
        missing
    }

    /// Puts the addresses and lengths of the buffers where the kind's row says.
    #[inline]
    pub(super) fn lend(self, info: &mut InfoBytes, lent: &mut Lent<'_>) -> FirstEntries {
        let mut before = FirstEntries([None; MOST_ARRAYS]);
        if let Some(name) = &self.layout.name {
            // The address and the length go together or not at all.
            if !lent.name.is_empty() && self.has(name.pointer) && self.has(name.len) {
                self.put_u64(info, name.pointer, lent.name_address());
                self.put_u32(info, name.len, at_most(lent.name.len()));
            }
        }
        if let Some(count) = self.layout.count {
            let arrays = lent.arrays.iter().map(Entries::len);
            let shortest = arrays.filter(|len| *len != 0).min().unwrap_or(0);
            self.put_u32(info, count, at_most(shortest));
        }
        let arrays = self.layout.arrays.iter().zip(&mut lent.arrays);
        for ((array, entries), first_entry) in arrays.zip(&mut before.0) {
            let fits = entries.size_of_entry() == array.size_of_entry;
            if entries.len() == 0 || !fits || !self.has(array.pointer) {
                continue;
            }
            if let (true, Some(first)) = (array.is_newer, entries.first_mut()) {
                *first_entry = Some(std::mem::replace(first, mark_64()));
            }
            self.put_u64(info, array.pointer, entries.address());
        }
        before
    }

    /// Zeroes the addresses of the buffers, which the kernel gives back: they say nothing about the
    /// link.
    #[inline]
    pub(super) fn take_addresses(self, info: &mut InfoBytes, lent: &mut Lent<'_>) {
        if let Some(name) = self.layout.name.as_ref().filter(|_| !lent.name.is_empty()) {
            info.take(name.pointer.start(), lent.name_address().to_ne_bytes());
        }
        for (array, entries) in self.layout.arrays.iter().zip(&mut lent.arrays) {
            if entries.len() != 0 {
                info.take(array.pointer.start(), entries.address().to_ne_bytes());
            }
        }
    }

    #[inline]
    fn put_u32(self, info: &mut InfoBytes, field: Field<u32>, value: u32) {
        if self.has(field) {
            info.put(field.start(), value.to_ne_bytes());
        }
    }

    #[inline]
    fn put_u64(self, info: &mut InfoBytes, field: Field<u64>, value: u64) {
        if self.has(field) {
            info.put(field.start(), value.to_ne_bytes());
        }
    }

    /// Whether the kernel has the field.
    #[inline]
    fn has<T>(self, field: Field<T>) -> bool {
        field.end() <= self.known_len
    }
}

impl FirstEntries {
    /// Restores the arrays that still have their marks, and returns where the info has their
    /// addresses.
    #[inline]
    pub(super) fn restore(&self, layout: &Layout, lent: &mut Lent<'_>) -> ByteSet {
        let mut missing = ByteSet::EMPTY;
        let arrays = layout.arrays.iter().zip(&mut lent.arrays);
        for ((array, entries), first_entry) in arrays.zip(self.0) {
            if let (Some(before), Some(first)) = (first_entry, entries.first_mut()) {
                if *first == mark_64() {
                    *first = before;
                    missing.insert(&array.pointer.bytes());
                }
            }
        }
        missing
    }
}

/// The length as 32 bits: at most the true one.
#[inline]
fn at_most(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::InfoBuffers;
    use crate::sys::layout::field;

    fn request(kind: LinkKind, info_len: u32) -> Request {
        Request::of(Identity {
            kind: kind.as_raw(),
            id: 1,
            info_len,
        })
    }

    /// A kernel that knows the kind, but has nothing to say about it, writes nothing.
    #[test]
    fn what_comes_back_is_missing() {
        for &kind in LinkKind::KNOWN {
            let request = request(kind, 64);
            let mut info = InfoBytes::ZERO;
            request.mark(&mut info);
            let is_marked = info != InfoBytes::ZERO;
            let missing = request.take_marks(&mut info, 64);
            assert_eq!(info, InfoBytes::ZERO, "{kind}");
            assert_eq!(is_marked, missing != ByteSet::EMPTY, "{kind}");
            assert!(missing.contains(request.layout.marked), "{kind}");
            let is_all = missing.contains(ByteSet::of(&ARM));
            assert_eq!(is_all, request.layout.tells.is_some(), "{kind}");
        }
    }

    #[test]
    fn what_is_written_is_not_missing() {
        let request = request(LinkKind::Tracing, 64);
        let mut info = InfoBytes::ZERO;
        request.mark(&mut info);
        let obj_id: Field<u32> = field!(tracing.target_obj_id);
        info.put(obj_id.start(), 1_u32.to_ne_bytes());
        let cookie: Field<u64> = field!(tracing.cookie);
        info.put(cookie.start(), 0_u64.to_ne_bytes());
        let btf_id: Field<u32> = field!(tracing.target_btf_id);
        assert_eq!(
            request.take_marks(&mut info, 64),
            ByteSet::of(&btf_id.bytes())
        );
    }

    #[test]
    fn nothing_goes_in_beyond_the_end() {
        let beyond = |info: &InfoBytes| info.as_slice().iter().skip(32).any(|byte| *byte != 0);
        for &kind in LinkKind::KNOWN {
            let mut info = InfoBytes::ZERO;
            request(kind, 32).mark(&mut info);
            assert!(!beyond(&info), "{kind}");
        }
        let (mut path, mut numbers) = ([0; 8], [[7; 2]; 3]);
        let [offsets, ref_ctr_offsets, cookies] = &mut numbers;
        let buffers = InfoBuffers::UprobeMulti {
            path: &mut path,
            offsets,
            ref_ctr_offsets,
            cookies,
        };
        let mut info = InfoBytes::ZERO;
        let (request, mut lent) = (request(LinkKind::UprobeMulti, 32), buffers.lent());
        request.lend(&mut info, &mut lent);
        assert!(!beyond(&info));
        // Of the name neither, as its length is beyond the end.
        let path_at: Field<u64> = field!(uprobe_multi.path);
        assert_eq!(info.u32_at(path_at.start()), 0);
        let offsets_at: Field<u64> = field!(uprobe_multi.offsets);
        assert_ne!(info.u32_at(offsets_at.start()), 0);
        request.take_addresses(&mut info, &mut lent);
        assert_eq!(info.u32_at(offsets_at.start()), 0);
    }

    /// A kernel that has the addresses may not have the cookies yet.
    #[test]
    fn an_array_that_is_left_alone_is_missing() {
        let request = request(LinkKind::KprobeMulti, 64);
        let cookies_at: Field<u64> = field!(kprobe_multi.cookies);
        for writes_cookies in [false, true] {
            let (mut addresses, mut cookies) = ([7; 3], [7; 3]);
            let mut lent = InfoBuffers::KprobeMulti {
                addresses: &mut addresses,
                cookies: &mut cookies,
            }
            .lent();
            let mut info = InfoBytes::ZERO;
            let before = request.lend(&mut info, &mut lent);
            let count: Field<u32> = field!(kprobe_multi.count);
            assert_eq!(info.u32_at(count.start()), 3);
            let [_, Entries::U64(written), _] = &mut lent.arrays else {
                panic!("{lent:?}");
            };
            assert_ne!(**written, [7; 3]);
            if writes_cookies {
                written.fill(0);
            }
            let missing = before.restore(request.layout, &mut lent);
            let expected = if writes_cookies {
                ByteSet::EMPTY
            } else {
                ByteSet::of(&cookies_at.bytes())
            };
            assert_eq!(missing, expected);
            request.take_addresses(&mut info, &mut lent);
            assert_eq!(info.u32_at(cookies_at.start()), 0);
            assert_eq!(addresses, [7; 3]);
            assert_eq!(cookies, if writes_cookies { [0; 3] } else { [7; 3] });
        }
    }
}
