//! An assembler of the few instructions that the tests' programs are made of.

use std::os::fd::{AsFd, AsRawFd};

use bpf_link_sys::{
    BPF_ADD, BPF_ALU64, BPF_ATOMIC, BPF_CALL, BPF_DW, BPF_EXIT, BPF_IMM, BPF_JEQ, BPF_JMP, BPF_K,
    BPF_LD, BPF_LDX, BPF_MEM, BPF_MOV, BPF_PSEUDO_MAP_VALUE, BPF_STX, BPF_W, BPF_X, bpf_func_id,
    bpf_insn,
};

/// A register of the machine that programs run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Register {
    /// The value returned, by a helper and by the program.
    R0,
    /// The program's context at its start; the first argument of a helper, which does not preserve
    /// it.
    R1,
    /// The second argument of a helper, which does not preserve it.
    R2,
    /// The third argument of a helper, which does not preserve it.
    R3,
    /// The fourth argument of a helper, which does not preserve it.
    R4,
    /// The fifth argument of a helper, which does not preserve it.
    R5,
    /// Preserved by helpers.
    R6,
    /// Preserved by helpers.
    R7,
    /// Preserved by helpers.
    R8,
    /// Preserved by helpers.
    R9,
    /// The end of the stack frame, above 512 bytes; it cannot be written.
    R10,
}

/// One instruction out of its fields.
#[expect(
    clippy::cast_possible_truncation,
    reason = "every operation code fits into its byte"
)]
fn instruction(code: u32, destination: u8, source: u8, offset: i16, immediate: i32) -> bpf_insn {
    bpf_insn {
        code: code as u8,
        _bitfield_1: bpf_insn::new_bitfield_1(destination, source),
        off: offset,
        imm: immediate,
    }
}

/// `destination = value`
#[must_use]
pub fn set(destination: Register, value: i32) -> bpf_insn {
    instruction(BPF_ALU64 | BPF_MOV | BPF_K, destination as u8, 0, 0, value)
}

/// `destination = source`
#[must_use]
pub fn copy(destination: Register, source: Register) -> bpf_insn {
    instruction(
        BPF_ALU64 | BPF_MOV | BPF_X,
        destination as u8,
        source as u8,
        0,
        0,
    )
}

/// `destination += value`
#[must_use]
pub fn add(destination: Register, value: i32) -> bpf_insn {
    instruction(BPF_ALU64 | BPF_ADD | BPF_K, destination as u8, 0, 0, value)
}

/// `destination = *(u64 *)(source + offset)`
#[must_use]
pub fn load(destination: Register, source: Register, offset: i16) -> bpf_insn {
    instruction(
        BPF_LDX | BPF_MEM | BPF_DW,
        destination as u8,
        source as u8,
        offset,
        0,
    )
}

/// `destination = *(u32 *)(source + offset)`
#[must_use]
pub fn load_32(destination: Register, source: Register, offset: i16) -> bpf_insn {
    instruction(
        BPF_LDX | BPF_MEM | BPF_W,
        destination as u8,
        source as u8,
        offset,
        0,
    )
}

/// `*(u64 *)(destination + offset) = source`
#[must_use]
pub fn store(destination: Register, offset: i16, source: Register) -> bpf_insn {
    instruction(
        BPF_STX | BPF_MEM | BPF_DW,
        destination as u8,
        source as u8,
        offset,
        0,
    )
}

/// `*(u64 *)(destination + offset) += source`, in one piece
#[expect(
    clippy::cast_possible_wrap,
    reason = "the operation of an atomic instruction is a small number"
)]
#[must_use]
pub fn atomic_add(destination: Register, offset: i16, source: Register) -> bpf_insn {
    let code = BPF_STX | BPF_ATOMIC | BPF_DW;
    instruction(
        code,
        destination as u8,
        source as u8,
        offset,
        BPF_ADD as i32,
    )
}

/// `destination = value`, all 64 bits of it, in the two instructions that this takes
#[expect(
    clippy::cast_possible_truncation,
    reason = "each of the two takes its half of the bits"
)]
#[must_use]
pub fn set_wide(destination: Register, value: u64) -> [bpf_insn; 2] {
    wide(destination, 0, value as i32, (value >> 32) as i32)
}

/// `destination = &map[0]`: the address of the first element of an array map
///
/// The descriptor has to stay open until the program has been loaded.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a small number and nothing else"
)]
pub fn address_of_element(destination: Register, map: &impl AsFd) -> [bpf_insn; 2] {
    wide(
        destination,
        BPF_PSEUDO_MAP_VALUE as u8,
        map.as_fd().as_raw_fd(),
        0,
    )
}

fn wide(destination: Register, source: u8, low: i32, high: i32) -> [bpf_insn; 2] {
    [
        instruction(BPF_LD | BPF_DW | BPF_IMM, destination as u8, source, 0, low),
        instruction(0, 0, 0, 0, high),
    ]
}

/// `if register == value`, goes on `skipped` instructions after the next one
#[must_use]
pub fn skip_if_equal(register: Register, value: i32, skipped: i16) -> bpf_insn {
    instruction(BPF_JMP | BPF_JEQ | BPF_K, register as u8, 0, skipped, value)
}

/// Calls a helper of the kernel.
#[expect(clippy::cast_possible_wrap, reason = "the number of a helper is small")]
#[must_use]
pub fn call(helper: bpf_func_id) -> bpf_insn {
    instruction(BPF_JMP | BPF_CALL, 0, 0, 0, helper as i32)
}

/// Returns R0.
#[must_use]
pub fn exit() -> bpf_insn {
    instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
}
