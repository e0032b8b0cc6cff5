//! The program that runs for each file, and writes a record of those that are links'.

use std::mem::offset_of;

use bpf_link_sys::bpf_insn;

use super::plan::{MAGIC, NAME, OTHER_NAME, Plan};
use super::record::{COMM, Record};
use crate::iter_program::instruction::Register::{R0, R1, R6, R7, R8, R10};
use crate::iter_program::instruction::{copy, exit, load, set, store};
use crate::iter_program::read::{POINTER, Reader, copy_bytes, follow, in_record, write, zero};
use crate::iter_program::skip::{only_if, unless_zero};

/// How to read the link of a file, which the file has as a `void *`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Method {
    TypedCast,
    ProbeRead,
}

/// Where on the stack is what was read on the way: below the record.
const READ: i16 = in_record::<Record>(0) - 8;

/// The program's context has pointers to the iteration, to the thread and to the file.
const TASK: i16 = 8;
const FD: i16 = 16;
const FILE: i16 = 24;

/// The program; `None` if the kernel does not have what this method needs.
pub(super) fn assemble(plan: &Plan, method: Method) -> Option<Vec<bpf_insn>> {
    let reader = match method {
        Method::TypedCast => Reader::Cast(plan.cast?),
        Method::ProbeRead => Reader::ProbeRead(READ),
    };
    let start = vec![
        copy(R6, R1),
        load(R7, R6, TASK, POINTER),
        load(R8, R6, FILE, POINTER),
    ];
    // Both are null after the last file.
    let rest = unless_zero(R7, unless_zero(R8, with_file(plan, reader)?)?)?;
    Some([start, rest, vec![set(R0, 0), exit()]].concat())
}

/// Checks that the file is a link's, with the check that excludes most files first, and then makes
/// the record.
fn with_file(plan: &Plan, reader: Reader) -> Option<Vec<bpf_insn>> {
    let word =
        |name: &[u8; 9], at: usize| Some(i32::from_ne_bytes(*name.get(at..)?.first_chunk()?));
    let conditions = [
        (
            plan.name.part(0, 4)?,
            vec![word(NAME, 0)?, word(OTHER_NAME, 0)?],
        ),
        (plan.name.part(4, 4)?, vec![word(NAME, 4)?]),
        (plan.name.part(8, 1)?, vec![0]),
        (plan.magic.clone(), vec![MAGIC]),
    ];
    let mut program = record(plan, reader)?;
    for (way, values) in conditions.into_iter().rev() {
        program = [follow(R8, &way, None)?, only_if(R1, &values, program)?].concat();
    }
    Some(program)
}

/// Makes the record and writes it.
fn record(plan: &Plan, reader: Reader) -> Option<Vec<bpf_insn>> {
    let mut program: Vec<_> = zero::<Record>().collect();
    for (way, place) in [
        (&plan.pid, offset_of!(Record, pid)),
        (&plan.tid, offset_of!(Record, tid)),
    ] {
        program.extend(follow(R7, way, None)?);
        program.push(store_at(place));
    }
    let comm = in_record::<Record>(offset_of!(Record, comm));
    program.extend(copy_bytes(R7, &plan.comm, comm, i16::try_from(COMM).ok()?)?);
    program.push(load(R1, R6, FD, 4));
    program.push(store_at(offset_of!(Record, fd)));
    for (way, place) in [
        (&plan.link, offset_of!(Record, link)),
        (&plan.kind, offset_of!(Record, kind)),
    ] {
        program.extend(reader.read(R8, way)?);
        program.push(store_at(place));
    }
    program.extend(write::<Record>(R6));
    Some(program)
}

/// Puts R1 there in the record.
fn store_at(place: usize) -> bpf_insn {
    store(R10, in_record::<Record>(place), R1, 4)
}
