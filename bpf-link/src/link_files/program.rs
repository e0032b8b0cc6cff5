//! The program that runs for each file, and writes a record of those that are links'.

use std::mem::offset_of;

use bpf_link_sys::bpf_insn;

use super::plan::{MAGIC, NAME, OTHER_NAME, Plan};
use super::record::{COMM, Record};
use crate::iter_program::instruction::Register::{self, R0, R1, R6, R7, R8, R10};
use crate::iter_program::instruction::{
    copy, exit, load, set, skip_if_equal, skip_unless_equal, store, store_zero,
};
use crate::iter_program::read::{POINTER, Reader, copy_bytes, follow, len, write};

/// How the link of a file is read, to which there is a pointer without a type.
#[derive(Clone, Copy, Debug)]
pub(super) enum Method {
    TypedCast,
    ProbeRead,
}

/// Where the record is, from the end of the stack; and below it what was read on the way.
const RECORD: i16 = in_record(0);
const READ: i16 = RECORD - 8;

/// The program's context has pointers to the iteration, to the thread and to the file.
const TASK: i16 = 8;
const FD: i16 = 16;
const FILE: i16 = 24;

/// The program; `None` if the kernel does not have what this method needs.
pub(super) fn assemble(plan: &Plan, method: Method) -> Option<Vec<bpf_insn>> {
    let reader = match method {
        Method::TypedCast => Reader::Cast(i32::try_from(plan.cast?).ok()?),
        Method::ProbeRead => Reader::ProbeRead(READ),
    };
    let program = vec![copy(R6, R1), load(R7, R6, TASK, POINTER)];
    // After the last file.
    let rest = unless_equal_to_zero(R7, with_thread(plan, reader)?)?;
    Some([program, rest, vec![set(R0, 0), exit()]].concat())
}

fn with_thread(plan: &Plan, reader: Reader) -> Option<Vec<bpf_insn>> {
    let program = vec![load(R8, R6, FILE, POINTER)];
    let rest = unless_equal_to_zero(R8, with_file(plan, reader)?)?;
    Some([program, rest].concat())
}

/// Leaves these out if the register is 0.
fn unless_equal_to_zero(register: Register, rest: Vec<bpf_insn>) -> Option<Vec<bpf_insn>> {
    let skip = skip_if_equal(register, 0, len(&rest)?);
    Some([vec![skip], rest].concat())
}

/// What is done for a file; from the most telling to the least, what is not as it is in a link's
/// file ends it.
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
        (plan.magic.part(0, plan.magic.size)?, vec![MAGIC]),
    ];
    let mut program = record(plan, reader)?;
    for (way, values) in conditions.into_iter().rev() {
        program = [follow(R8, &way, None)?, only_if(&values, program)?].concat();
    }
    Some(program)
}

/// Leaves these out unless R1 is one of the values.
fn only_if(values: &[i32], rest: Vec<bpf_insn>) -> Option<Vec<bpf_insn>> {
    let (last, others) = values.split_last()?;
    let mut program = vec![skip_unless_equal(R1, *last, len(&rest)?)];
    for value in others.iter().rev() {
        program.insert(0, skip_if_equal(R1, *value, len(&program)?));
    }
    Some([program, rest].concat())
}

/// Makes the record and writes it.
fn record(plan: &Plan, reader: Reader) -> Option<Vec<bpf_insn>> {
    let zero = (RECORD..0).step_by(8).map(|at| store_zero(R10, at));
    let mut program: Vec<_> = zero.collect();
    for (way, place) in [
        (&plan.pid, offset_of!(Record, pid)),
        (&plan.tid, offset_of!(Record, tid)),
    ] {
        program.extend(follow(R7, way, None)?);
        program.push(store_at(place));
    }
    let comm = in_record(offset_of!(Record, comm));
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
    program.extend(write(R6, RECORD, i32::try_from(Record::SIZE).ok()?));
    Some(program)
}

/// Puts R1 there in the record.
fn store_at(place: usize) -> bpf_insn {
    store(R10, in_record(place), R1, 4)
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
