//! The program that runs for each link, and writes a record of it.

use bpf_link_sys::{BPF_FUNC_probe_read_kernel, BPF_FUNC_seq_write, bpf_insn};

use super::field::REFERENCES;
use super::instruction::Register::{self, R0, R1, R2, R3, R6, R7, R8, R9, R10};
use super::instruction::{
    add, call, call_function, copy, exit, load, set, skip_if_equal, skip_unless_equal, store,
    store_zero,
};
use super::method::SnapshotMethod;
use super::plan::{KindPlan, Plan, Way};
use super::record::{Place, Record};

/// How large a pointer is.
const POINTER: u32 = 8;
/// Where the record is, from the end of the stack; and below it what was read on the way.
const RECORD: i16 = in_record(0);
const READ: i16 = RECORD - 8;

/// The program; `None` if the kernel does not have what this method needs.
pub(super) fn assemble(plan: &Plan, method: SnapshotMethod) -> Option<Vec<bpf_insn>> {
    let mut record: Vec<_> = (RECORD..0)
        .step_by(8)
        .map(|at| store_zero(R10, at))
        .collect();
    let ids = [
        (&plan.id, std::mem::offset_of!(Record, id)),
        (&plan.kind, std::mem::offset_of!(Record, kind)),
        (&plan.program_id, std::mem::offset_of!(Record, program_id)),
    ];
    for (way, place) in ids {
        record.extend(follow(R7, way, None)?);
        record.push(store(R10, in_record(place), R1, 4));
    }
    if let Some(way) = &plan.references {
        record.extend(follow(R7, way, None)?);
        record.push(store_at(REFERENCES.0.place()));
    }
    let reader = match method {
        SnapshotMethod::TypedCast => Some(Reader::Cast(i32::try_from(plan.cast?).ok()?)),
        SnapshotMethod::ProbeRead => Some(Reader::ProbeRead),
        SnapshotMethod::IdsOnly | SnapshotMethod::Walk => None,
    };
    if let Some(reader) = reader {
        record.extend(follow(R7, &plan.kind, None)?);
        record.push(copy(R8, R1));
        for kind in &plan.kinds {
            let read = reader.kind(kind)?;
            let number = i32::try_from(kind.kind.as_raw()).ok()?;
            record.push(skip_unless_equal(R8, number, len(&read)?));
            record.extend(read);
        }
    }
    record.extend([
        // The context begins with a pointer to the iteration, and that with one to its output.
        load(R1, R6, 0, POINTER),
        load(R1, R1, 0, POINTER),
        copy(R2, R10),
        add(R2, RECORD.into()),
        set(R3, i32::try_from(Record::SIZE).ok()?),
        call(BPF_FUNC_seq_write),
    ]);
    let start = [
        copy(R6, R1),
        load(R7, R6, 8, POINTER),
        // Behind the last link.
        skip_if_equal(R7, 0, len(&record)?),
    ];
    let end = [set(R0, 0), exit()];
    Some([&start[..], &record, &end].concat())
}

/// How the fields of a kind are read.
#[derive(Clone, Copy, Debug)]
enum Reader {
    /// As the kernel's own code does, from pointers to which this function has given a type.
    Cast(i32),
    /// By a helper that copies.
    ProbeRead,
}

impl Reader {
    /// Reads what is particular to a kind.
    fn kind(self, plan: &KindPlan) -> Option<Vec<bpf_insn>> {
        let mut read = vec![copy(R1, R7), add(R1, -i32::from(plan.link))];
        if let Self::Cast(cast) = self {
            read.extend(cast_to(plan.structure, cast)?);
            read.push(copy(R9, R0));
        } else {
            read.push(copy(R9, R1));
        }
        for (field, way) in &plan.fields {
            match self {
                Self::Cast(cast) => read.extend(follow(R9, way, Some(cast))?),
                Self::ProbeRead => read.extend(copy_over(way)?),
            }
            read.push(store_at(field.place()));
        }
        Some(read)
    }
}

/// `R1 = ` the number at the end of the way.
fn follow(from: Register, way: &Way, cast: Option<i32>) -> Option<Vec<bpf_insn>> {
    let mut read = vec![copy(R1, from)];
    for pointer in &way.pointers {
        read.push(load(R1, R1, pointer.offset, POINTER));
        if let Some(structure) = pointer.cast {
            read.extend(cast_to(structure, cast?)?);
            read.push(copy(R1, R0));
        }
    }
    read.push(load(R1, R1, way.offset, way.size));
    Some(read)
}

/// `R0 = (structure *)R1`
fn cast_to(structure: u32, cast: i32) -> Option<[bpf_insn; 2]> {
    Some([set(R2, i32::try_from(structure).ok()?), call_function(cast)])
}

/// The same by a helper, which leaves a 0 where there is nothing to read.
fn copy_over(way: &Way) -> Option<Vec<bpf_insn>> {
    let mut read = vec![copy(R3, R9)];
    let pointers = way.pointers.iter().map(|pointer| (pointer.offset, POINTER));
    for (offset, size) in pointers.chain([(way.offset, way.size)]) {
        read.extend([
            add(R3, offset.into()),
            copy(R1, R10),
            add(R1, READ.into()),
            set(R2, i32::try_from(size).ok()?),
            call(BPF_FUNC_probe_read_kernel),
            load(R1, R10, READ, size),
            copy(R3, R1),
        ]);
    }
    Some(read)
}

/// Puts R1 there in the record.
fn store_at(place: Place) -> bpf_insn {
    store(R10, in_record(place.offset()), R1, place.size())
}

/// Where this is of the record, from the end of the stack.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "a record is some dozens of bytes"
)]
const fn in_record(offset: usize) -> i16 {
    offset as i16 - Record::SIZE as i16
}

fn len(instructions: &[bpf_insn]) -> Option<i16> {
    i16::try_from(instructions.len()).ok()
}
