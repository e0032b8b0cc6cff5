//! The layout of each kind's info: one row per kind, checked by the compiler.
//!
//! An info request goes in with addresses and lengths of buffers, and the kernel writes to those
//! addresses. Other fields go in with a mark: a kernel that is too old to report such a field gives
//! the mark back. So what makes a request sound is that no mark is where the kernel looks for an
//! address or a length. [`Layout::checked`] proves that when this crate is compiled.

use std::marker::PhantomData;
use std::mem::offset_of;
use std::ops::Range;

use bpf_link_sys as c;

use super::byte_set::ByteSet;
use crate::kind::LinkKind;

/// A field of `struct bpf_link_info` that has this type, a `u32` or a `u64`.
#[derive(Debug)]
pub(crate) struct Field<T> {
    start: usize,
    of: PhantomData<T>,
}

impl<T> Clone for Field<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Field<T> {}

impl<T> Field<T> {
    /// The assignment ties the type to that of the field in the bindings.
    pub(crate) const fn new(start: usize, _assign: fn(&mut c::bpf_link_info, T)) -> Self {
        Self {
            start,
            of: PhantomData,
        }
    }

    #[inline]
    pub(crate) const fn start(self) -> usize {
        self.start
    }

    #[inline]
    pub(crate) const fn end(self) -> usize {
        self.start + size_of::<T>()
    }

    #[inline]
    pub(crate) const fn bytes(self) -> Range<usize> {
        self.start..self.end()
    }
}

/// A field, by its path in the bindings' `bpf_link_info` from the union on.
macro_rules! field {
    ($($path:ident).+) => {
        $crate::sys::layout::Field::new(
            ::std::mem::offset_of!(::bpf_link_sys::bpf_link_info, raw_tracepoint_union.$($path).+),
            |info, value| info.raw_tracepoint_union.$($path).+ = value,
        )
    };
}
pub(crate) use field;

/// Where one kind's info has its inputs and the fields that may be missing.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) name: Option<Name>,
    /// How many entries each of the arrays has.
    pub(crate) count: Option<Field<u32>>,
    /// In the order of the kind's [`InfoBuffers`](crate::InfoBuffers).
    pub(crate) arrays: &'static [Array],
    /// The fields of 32 bits that a kernel may be too old to report.
    pub(crate) marks_32: &'static [Field<u32>],
    /// The fields of 64 bits that a kernel may be too old to report.
    pub(crate) marks_64: &'static [Field<u64>],
    /// For a kind that some kernels have without an info of its own: a marked field that every such
    /// info has. If it is missing, everything is.
    pub(crate) tells: Option<Field<u32>>,
    /// The bytes of all marks. [`checked`](Self::checked) fills it in.
    pub(crate) marked: ByteSet,
}

/// Where a name goes in.
#[derive(Debug)]
pub(crate) struct Name {
    pub(crate) pointer: Field<u64>,
    pub(crate) len: Field<u32>,
    /// If the field has this value, the info has other fields where the name would be.
    pub(crate) unless: Option<(Field<u32>, u32)>,
}

/// Where an array goes in.
#[derive(Debug)]
pub(crate) struct Array {
    /// The kind and the kernel's name of the field.
    pub(crate) path: &'static str,
    pub(crate) pointer: Field<u64>,
    pub(crate) size_of_entry: usize,
    /// Whether the array is newer than the first one: the kernel writes it only together with the
    /// first, and an older kernel leaves it alone. Its first entry is marked, so its entries have
    /// 64 bits.
    pub(crate) is_newer: bool,
}

macro_rules! array {
    ($kind:ident.$field:ident: $Entry:ty $(, $is_newer:ident)?) => {
        Array {
            path: concat!(stringify!($kind), ".", stringify!($field)),
            pointer: field!($kind.$field),
            size_of_entry: size_of::<$Entry>(),
            is_newer: array!(@ $($is_newer)?),
        }
    };
    (@) => { false };
    (@ newer) => { true };
}

/// The bytes of what is particular to a kind: the union of the arms of all kinds.
pub(crate) const ARM: Range<usize> =
    offset_of!(c::bpf_link_info, raw_tracepoint_union)..size_of::<c::bpf_link_info>();

/// The largest number of arrays that a kind has.
pub(crate) const MOST_ARRAYS: usize = 3;

/// The row of this kind.
#[inline]
pub(crate) fn layout(kind: LinkKind) -> &'static Layout {
    match kind {
        LinkKind::RawTracepoint => RAW_TRACEPOINT,
        LinkKind::Tracing => TRACING,
        LinkKind::Iter => ITER,
        LinkKind::PerfEvent => PERF_EVENT,
        LinkKind::KprobeMulti => KPROBE_MULTI,
        LinkKind::UprobeMulti => UPROBE_MULTI,
        LinkKind::TracingMulti => TRACING_MULTI,
        LinkKind::Cgroup
        | LinkKind::Netns
        | LinkKind::Xdp
        | LinkKind::StructOps
        | LinkKind::Netfilter
        | LinkKind::Tcx
        | LinkKind::Netkit
        | LinkKind::Sockmap
        | LinkKind::Unknown(_) => ONLY_FIELDS,
    }
}

const RAW_TRACEPOINT: &Layout = &Layout {
    name: Some(Name {
        pointer: field!(raw_tracepoint.tp_name),
        len: field!(raw_tracepoint.tp_name_len),
        unless: None,
    }),
    marks_64: &[field!(raw_tracepoint.cookie)],
    ..Layout::NONE
}
.checked();

const TRACING: &Layout = &Layout {
    marks_32: &[field!(tracing.target_obj_id), field!(tracing.target_btf_id)],
    marks_64: &[field!(tracing.cookie)],
    ..Layout::NONE
}
.checked();

const ITER: &Layout = &Layout {
    name: Some(Name {
        pointer: field!(iter.target_name),
        len: field!(iter.target_name_len),
        unless: None,
    }),
    marks_32: &[
        field!(iter.map_union.map.map_id),
        // The id of a cgroup takes the place of both.
        field!(iter.cgroup_union.task.tid),
        field!(iter.cgroup_union.task.pid),
        field!(iter.cgroup_union.cgroup.order),
    ],
    ..Layout::NONE
}
.checked();

const PERF_EVENT: &Layout = &Layout {
    // The name is at one place for every type of event that has one, as only the kernel knows the
    // type.
    name: Some(Name {
        pointer: one_place([
            field!(perf_event.uprobe_union.uprobe.file_name),
            field!(perf_event.uprobe_union.kprobe.func_name),
            field!(perf_event.uprobe_union.tracepoint.tp_name),
        ]),
        len: one_place([
            field!(perf_event.uprobe_union.uprobe.name_len),
            field!(perf_event.uprobe_union.kprobe.name_len),
            field!(perf_event.uprobe_union.tracepoint.name_len),
        ]),
        unless: Some((field!(perf_event.type_), c::BPF_PERF_EVENT_EVENT)),
    }),
    marks_32: &[field!(perf_event.type_)],
    marks_64: &[
        // The address of a kprobe, and the cookie of every other event.
        field!(perf_event.uprobe_union.uprobe.cookie),
        field!(perf_event.uprobe_union.uprobe.ref_ctr_offset),
        field!(perf_event.uprobe_union.kprobe.cookie),
    ],
    tells: Some(field!(perf_event.type_)),
    ..Layout::NONE
}
.checked();

const KPROBE_MULTI: &Layout = &Layout {
    count: Some(field!(kprobe_multi.count)),
    arrays: &[
        array!(kprobe_multi.addrs: u64),
        array!(kprobe_multi.cookies: u64, newer),
    ],
    marks_32: &[field!(kprobe_multi.flags)],
    marks_64: &[field!(kprobe_multi.missed)],
    tells: Some(field!(kprobe_multi.flags)),
    ..Layout::NONE
}
.checked();

const UPROBE_MULTI: &Layout = &Layout {
    name: Some(Name {
        pointer: field!(uprobe_multi.path),
        len: field!(uprobe_multi.path_size),
        unless: None,
    }),
    count: Some(field!(uprobe_multi.count)),
    arrays: &[
        array!(uprobe_multi.offsets: u64),
        array!(uprobe_multi.ref_ctr_offsets: u64),
        array!(uprobe_multi.cookies: u64),
    ],
    marks_32: &[field!(uprobe_multi.flags), field!(uprobe_multi.pid)],
    tells: Some(field!(uprobe_multi.flags)),
    ..Layout::NONE
}
.checked();

const TRACING_MULTI: &Layout = &Layout {
    count: Some(field!(tracing_multi.count)),
    arrays: &[
        array!(tracing_multi.ids: u32),
        array!(tracing_multi.addrs: u64),
        array!(tracing_multi.cookies: u64),
    ],
    marks_32: &[
        field!(tracing_multi.attach_type),
        field!(tracing_multi.btf_obj_id),
    ],
    tells: Some(field!(tracing_multi.attach_type)),
    ..Layout::NONE
}
.checked();

/// Every kernel with the kind reports all of its fields; nothing goes in.
const ONLY_FIELDS: &Layout = &Layout::NONE.checked();

/// The shared place of fields that are filled in before it is known which of them the kernel reads.
const fn one_place<T>(fields: [Field<T>; 3]) -> Field<T> {
    let [first, second, third] = fields;
    assert!(
        first.start == second.start && first.start == third.start,
        "the fields are at different places"
    );
    first
}

impl Layout {
    const NONE: Self = Self {
        name: None,
        count: None,
        arrays: &[],
        marks_32: &[],
        marks_64: &[],
        tells: None,
        marked: ByteSet::EMPTY,
    };

    /// Returns the row if all of this holds; otherwise the row does not compile.
    ///
    /// - Each field is within the part of the info that is particular to a kind.
    /// - No two of them overlap. So no mark is on an address, a length or a count, and no mark is
    ///   half of another one.
    /// - There are arrays if there is a count, and no more of them than there is room for.
    /// - The field that tells whether there is an info at all is marked.
    const fn checked(self) -> Self {
        let mut taken = ByteSet::EMPTY;
        if let Some(name) = &self.name {
            taken = add_input(taken, name.pointer.bytes());
            taken = add_input(taken, name.len.bytes());
        }
        if let Some(count) = self.count {
            taken = add_input(taken, count.bytes());
        }
        assert!(
            self.count.is_some() != self.arrays.is_empty(),
            "arrays and their count come together"
        );
        assert!(self.arrays.len() <= MOST_ARRAYS, "too many arrays");
        let mut arrays = self.arrays;
        while let [array, rest @ ..] = arrays {
            taken = add_input(taken, array.pointer.bytes());
            assert!(
                !array.is_newer || array.size_of_entry == size_of::<u64>(),
                "an entry that is marked has 64 bits"
            );
            arrays = rest;
        }
        let inputs = taken;
        let mut marked = ByteSet::EMPTY;
        let mut tells_is_marked = self.tells.is_none();
        let mut marks_32 = self.marks_32;
        while let [mark, rest @ ..] = marks_32 {
            taken = add_mark(taken, inputs, mark.bytes());
            marked = marked.union(ByteSet::of(&mark.bytes()));
            if let Some(tells) = self.tells {
                tells_is_marked |= tells.start == mark.start;
            }
            marks_32 = rest;
        }
        let mut marks_64 = self.marks_64;
        while let [mark, rest @ ..] = marks_64 {
            taken = add_mark(taken, inputs, mark.bytes());
            marked = marked.union(ByteSet::of(&mark.bytes()));
            marks_64 = rest;
        }
        assert!(
            tells_is_marked,
            "the field that tells of an info has no mark"
        );
        assert!(
            ByteSet::of(&ARM).contains(taken),
            "a field is outside of what is particular to the kind"
        );
        Self { marked, ..self }
    }
}

/// Adds an address, a length or a count.
const fn add_input(taken: ByteSet, field: Range<usize>) -> ByteSet {
    let field = ByteSet::of(&field);
    assert!(
        !taken.intersects(field),
        "two addresses, lengths or counts overlap"
    );
    taken.union(field)
}

/// Adds a mark.
const fn add_mark(taken: ByteSet, inputs: ByteSet, field: Range<usize>) -> ByteSet {
    let field = ByteSet::of(&field);
    assert!(
        !inputs.intersects(field),
        "a mark is on an address, a length or a count"
    );
    assert!(!taken.intersects(field), "two marks overlap");
    taken.union(field)
}
