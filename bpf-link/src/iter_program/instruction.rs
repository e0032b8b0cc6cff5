//! The instructions that the program is made of.

use bpf_link_sys as c;

/// A register.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(crate) enum Register {
    /// What a call and the program return.
    R0,
    /// The first argument of a call, which loses it.
    R1,
    /// The second one.
    R2,
    /// The third one.
    R3,
    /// Kept by calls.
    R6 = 6,
    R7,
    R8,
    R9,
    /// The end of the stack.
    R10,
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "each code is a byte that the header has as a number"
)]
fn instruction(code: u32, to: Register, from: u8, offset: i16, value: i32) -> c::bpf_insn {
    c::bpf_insn {
        code: code as u8,
        _bitfield_1: c::bpf_insn::new_bitfield_1(to as u8, from),
        off: offset,
        imm: value,
    }
}

/// `to = value`
pub(crate) fn set(to: Register, value: i32) -> c::bpf_insn {
    instruction(c::BPF_ALU64 | c::BPF_MOV | c::BPF_K, to, 0, 0, value)
}

/// `to = from`
pub(crate) fn copy(to: Register, from: Register) -> c::bpf_insn {
    let code = c::BPF_ALU64 | c::BPF_MOV | c::BPF_X;
    instruction(code, to, from as u8, 0, 0)
}

/// `to += value`
pub(crate) fn add(to: Register, value: i32) -> c::bpf_insn {
    instruction(c::BPF_ALU64 | c::BPF_ADD | c::BPF_K, to, 0, 0, value)
}

/// `to = *(from + offset)`, a number of so many bytes
pub(crate) fn load(to: Register, from: Register, offset: i16, size: u32) -> c::bpf_insn {
    let code = c::BPF_LDX | c::BPF_MEM | width(size);
    instruction(code, to, from as u8, offset, 0)
}

/// `*(to + offset) = from`, so many bytes of it
pub(crate) fn store(to: Register, offset: i16, from: Register, size: u32) -> c::bpf_insn {
    let code = c::BPF_STX | c::BPF_MEM | width(size);
    instruction(code, to, from as u8, offset, 0)
}

/// `*(to + offset) = 0`, 8 bytes
pub(crate) fn store_zero(to: Register, offset: i16) -> c::bpf_insn {
    instruction(c::BPF_ST | c::BPF_MEM | c::BPF_DW, to, 0, offset, 0)
}

/// `if register == value`, leaves out so many instructions
pub(crate) fn skip_if_equal(register: Register, value: i32, skipped: i16) -> c::bpf_insn {
    instruction(
        c::BPF_JMP | c::BPF_JEQ | c::BPF_K,
        register,
        0,
        skipped,
        value,
    )
}

/// `if register != value`, leaves out so many instructions
pub(crate) fn skip_unless_equal(register: Register, value: i32, skipped: i16) -> c::bpf_insn {
    instruction(
        c::BPF_JMP | c::BPF_JNE | c::BPF_K,
        register,
        0,
        skipped,
        value,
    )
}

/// Calls a helper.
#[expect(clippy::cast_possible_wrap, reason = "a small number")]
pub(crate) fn call(helper: c::bpf_func_id) -> c::bpf_insn {
    instruction(c::BPF_JMP | c::BPF_CALL, Register::R0, 0, 0, helper as i32)
}

/// Calls a function of the kernel, by its number in the kernel's types.
#[expect(clippy::cast_possible_truncation, reason = "a small number")]
pub(crate) fn call_function(function: i32) -> c::bpf_insn {
    let code = c::BPF_JMP | c::BPF_CALL;
    let from = c::BPF_PSEUDO_KFUNC_CALL as u8;
    instruction(code, Register::R0, from, 0, function)
}

/// Returns what is in R0.
pub(crate) fn exit() -> c::bpf_insn {
    instruction(c::BPF_JMP | c::BPF_EXIT, Register::R0, 0, 0, 0)
}

fn width(size: u32) -> u32 {
    match size {
        1 => c::BPF_B,
        2 => c::BPF_H,
        4 => c::BPF_W,
        _ => c::BPF_DW,
    }
}
