//! The steps of a program: reading numbers and bytes, and writing its record.

use bpf_link_sys::{BPF_FUNC_probe_read_kernel, BPF_FUNC_seq_write, bpf_insn};

use super::instruction::Register::{self, R0, R1, R2, R3, R10};
use super::instruction::{
    add, call, call_function, copy, load, set, skip_if_equal, store, store_zero,
};
use super::look::Way;

/// How large a pointer is.
pub(crate) const POINTER: u32 = 8;

/// How to read what a pointer without a type points to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reader {
    /// As the kernel's own code does, from pointers to which this function has given a type.
    Cast(i32),
    /// By a helper that copies to this place, from the end of the stack.
    ProbeRead(i16),
}

impl Reader {
    /// `R1 = ` the number at the end of the way.
    pub(crate) fn read(self, from: Register, way: &Way) -> Option<Vec<bpf_insn>> {
        match self {
            Self::Cast(cast) => follow(from, way, Some(cast)),
            Self::ProbeRead(place) => copy_over(from, way, place),
        }
    }
}

/// `R1 = ` the number at the end of the way, which needs this function where it has casts.
pub(crate) fn follow(from: Register, way: &Way, cast: Option<i32>) -> Option<Vec<bpf_insn>> {
    let mut read = to_the_last(from, way, cast)?;
    read.push(load(R1, R1, way.offset, way.size));
    Some(read)
}

/// `R1 = ` what the last pointer of the way points to.
fn to_the_last(from: Register, way: &Way, cast: Option<i32>) -> Option<Vec<bpf_insn>> {
    let mut read = vec![copy(R1, from)];
    for pointer in &way.pointers {
        read.push(load(R1, R1, pointer.offset, POINTER));
        if let Some(structure) = pointer.cast {
            read.extend(cast_to(structure, cast?)?);
            read.push(copy(R1, R0));
        }
    }
    Some(read)
}

/// `R0 = (structure *)R1`
pub(crate) fn cast_to(structure: u32, cast: i32) -> Option<[bpf_insn; 2]> {
    Some([set(R2, i32::try_from(structure).ok()?), call_function(cast)])
}

/// The same by a helper, which leaves a 0 where there is nothing to read.
///
/// It stops at a null pointer, because on s390x address 0 can be read.
fn copy_over(from: Register, way: &Way, place: i16) -> Option<Vec<bpf_insn>> {
    let mut rest = probe_read(way.offset, way.size, place)?.to_vec();
    for pointer in way.pointers.iter().rev() {
        let mut read = probe_read(pointer.offset, POINTER, place)?.to_vec();
        read.push(copy(R3, R1));
        read.push(skip_if_equal(R1, 0, i16::try_from(rest.len()).ok()?));
        read.append(&mut rest);
        rest = read;
    }
    rest.insert(0, copy(R3, from));
    Some(rest)
}

/// `R1 = ` the number at `R3 + offset`, by way of this place on the stack.
fn probe_read(offset: i16, size: u32, place: i16) -> Option<[bpf_insn; 6]> {
    Some([
        add(R3, offset.into()),
        copy(R1, R10),
        add(R1, place.into()),
        set(R2, i32::try_from(size).ok()?),
        call(BPF_FUNC_probe_read_kernel),
        load(R1, R10, place, size),
    ])
}

/// Copies the beginning of an array of bytes to a place on the stack. The way has no casts.
pub(crate) fn copy_bytes(from: Register, way: &Way, place: i16, len: i16) -> Option<Vec<bpf_insn>> {
    let mut read = to_the_last(from, way, None)?;
    // Some processors read numbers only where they are aligned.
    let width: u8 = 1 << way.offset.trailing_zeros().min(3);
    for at in (0..len).step_by(usize::from(width)) {
        read.push(load(R2, R1, way.offset.checked_add(at)?, width.into()));
        read.push(store(R10, place.checked_add(at)?, R2, width.into()));
    }
    Some(read)
}

/// The place on the stack of what is so many bytes after the beginning of the record `R`, which is
/// at the end of the stack.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "a record is some dozens of bytes"
)]
pub(crate) const fn in_record<R>(offset: usize) -> i16 {
    offset as i16 - size_of::<R>() as i16
}

/// Makes the record zeros.
pub(crate) fn zero<R>() -> impl Iterator<Item = bpf_insn> {
    (in_record::<R>(0)..0)
        .step_by(8)
        .map(|at| store_zero(R10, at))
}

/// Writes the record. The register points to the context, which begins with a pointer to the
/// iteration, and that with one to its output.
pub(crate) fn write<R>(context: Register) -> [bpf_insn; 6] {
    let start = in_record::<R>(0);
    [
        load(R1, context, 0, POINTER),
        load(R1, R1, 0, POINTER),
        copy(R2, R10),
        add(R2, start.into()),
        set(R3, -i32::from(start)),
        call(BPF_FUNC_seq_write),
    ]
}
