//! Leaving out a part of a program.

use bpf_link_sys::bpf_insn;

use super::instruction::{Register, skip_if_equal, skip_unless_equal};

/// Leaves these out if the register is 0.
pub(crate) fn unless_zero(register: Register, rest: Vec<bpf_insn>) -> Option<Vec<bpf_insn>> {
    let skip = skip_if_equal(register, 0, len(&rest)?);
    Some([vec![skip], rest].concat())
}

/// Leaves these out unless the register is one of the values.
pub(crate) fn only_if(
    register: Register,
    values: &[i32],
    rest: Vec<bpf_insn>,
) -> Option<Vec<bpf_insn>> {
    let (last, others) = values.split_last()?;
    let mut program = vec![skip_unless_equal(register, *last, len(&rest)?)];
    for value in others.iter().rev() {
        program.insert(0, skip_if_equal(register, *value, len(&program)?));
    }
    Some([program, rest].concat())
}

/// How many instructions these are, to leave them out.
fn len(instructions: &[bpf_insn]) -> Option<i16> {
    i16::try_from(instructions.len()).ok()
}
