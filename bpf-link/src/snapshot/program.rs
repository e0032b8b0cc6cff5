//! The program that runs for each link, and writes a record of it.

use std::mem::offset_of;

use bpf_link_sys::bpf_insn;

use super::field::REFERENCES;
use super::method::SnapshotMethod;
use super::plan::{KindPlan, Plan};
use super::record::{Place, Record};
use crate::iter_program::instruction::Register::{R0, R1, R6, R7, R8, R9, R10};
use crate::iter_program::instruction::{add, copy, exit, load, set, store};
use crate::iter_program::read::{POINTER, Reader, cast_to, follow, in_record, write, zero};
use crate::iter_program::skip::{only_if, unless_zero};

/// Where on the stack is what was read on the way: below the record.
const READ: i16 = in_record::<Record>(0) - 8;

/// The program; `None` if the kernel does not have what this method needs.
pub(super) fn assemble(plan: &Plan, method: SnapshotMethod) -> Option<Vec<bpf_insn>> {
    let mut record: Vec<_> = zero::<Record>().collect();
    let ids = [
        (&plan.id, offset_of!(Record, id)),
        (&plan.kind, offset_of!(Record, kind)),
        (&plan.program_id, offset_of!(Record, program_id)),
    ];
    for (way, place) in ids {
        record.extend(follow(R7, way, None)?);
        record.push(store(R10, in_record::<Record>(place), R1, 4));
    }
    if let Some(way) = &plan.references {
        record.extend(follow(R7, way, None)?);
        record.push(store_at(REFERENCES.0.place()));
    }
    let reader = match method {
        SnapshotMethod::TypedCast => Some(Reader::Cast(plan.cast?)),
        SnapshotMethod::ProbeRead => Some(Reader::ProbeRead(READ)),
        SnapshotMethod::IdsOnly | SnapshotMethod::Walk => None,
    };
    if let Some(reader) = reader {
        record.extend(follow(R7, &plan.kind, None)?);
        record.push(copy(R8, R1));
        for kind in &plan.kinds {
            let read = read_kind(reader, kind)?;
            let number = i32::try_from(kind.kind.as_raw()).ok()?;
            record.extend(only_if(R8, &[number], read)?);
        }
    }
    record.extend(write::<Record>(R6));
    let start = vec![copy(R6, R1), load(R7, R6, 8, POINTER)];
    // It is null after the last link.
    let rest = unless_zero(R7, record)?;
    Some([start, rest, vec![set(R0, 0), exit()]].concat())
}

/// Reads what is particular to a kind.
fn read_kind(reader: Reader, plan: &KindPlan) -> Option<Vec<bpf_insn>> {
    let mut read = vec![copy(R1, R7), add(R1, -i32::from(plan.link))];
    if let Reader::Cast(cast) = reader {
        read.extend(cast_to(plan.structure, cast)?);
        read.push(copy(R9, R0));
    } else {
        read.push(copy(R9, R1));
    }
    for (field, way) in &plan.fields {
        read.extend(reader.read(R9, way)?);
        read.push(store_at(field.place()));
    }
    Some(read)
}

/// Puts R1 there in the record.
fn store_at(place: Place) -> bpf_insn {
    store(R10, in_record::<Record>(place.offset()), R1, place.size())
}
