//! What the tests' programs begin with: whose runs count, and what they count.

use std::os::unix::fs::MetadataExt as _;

use anyhow::{Context as _, Result};
use bpf_link_sys::{BPF_FUNC_get_ns_current_pid_tgid, bpf_func_id, bpf_insn};

use crate::asm::{self, Register};
use crate::map::CounterMap;

/// Adds 1 to the counter, or what the helper returns, which is called with the context alone. R1 is
/// no longer the context afterwards.
pub(crate) fn count(counter: &CounterMap, helper: Option<bpf_func_id>) -> Vec<bpf_insn> {
    let mut instructions = match helper {
        Some(helper) => vec![asm::call(helper), asm::copy(Register::R2, Register::R0)],
        None => vec![asm::set(Register::R2, 1)],
    };
    instructions.extend(asm::address_of_element(Register::R1, counter));
    instructions.push(asm::atomic_add(Register::R1, 0, Register::R2));
    instructions
}

/// Returns `pass` where another process than this one is running, and goes on otherwise, with the
/// context in R1.
///
/// The process is told by its number in its own namespace, as the tests may be running in a
/// container.
pub(crate) fn in_this_process(pass: i32) -> Result<Vec<bpf_insn>> {
    const NAMESPACE: &str = "/proc/self/ns/pid";
    let namespace = std::fs::metadata(NAMESPACE).context(NAMESPACE)?;
    let process = i32::try_from(std::process::id())?;
    let mut instructions = vec![asm::copy(Register::R6, Register::R1)];
    instructions.extend(asm::set_wide(Register::R1, namespace.dev()));
    instructions.extend(asm::set_wide(Register::R2, namespace.ino()));
    instructions.extend([
        asm::copy(Register::R3, Register::R10),
        asm::add(Register::R3, -8),
        asm::set(Register::R4, 8),
        asm::call(BPF_FUNC_get_ns_current_pid_tgid),
        // The thread's number comes first, and then the process's.
        asm::load_32(Register::R0, Register::R10, -4),
        asm::skip_if_equal(Register::R0, process, 2),
        asm::set(Register::R0, pass),
        asm::exit(),
        asm::copy(Register::R1, Register::R6),
    ]);
    Ok(instructions)
}

/// Returns `pass` where the eight bytes at the offset of the context are not this value, and goes
/// on otherwise, with the context in R1.
pub(crate) fn where_context_has(offset: i16, value: i32, pass: i32) -> [bpf_insn; 4] {
    [
        asm::load(Register::R0, Register::R1, offset),
        asm::skip_if_equal(Register::R0, value, 2),
        asm::set(Register::R0, pass),
        asm::exit(),
    ]
}
