//! Programs of iterators.

use anyhow::Result;
use bpf_link_sys::BPF_FUNC_seq_write;

use crate::asm::{self, Register};
use crate::btf::KernelBtf;
use crate::hook::Hook;
use crate::program::{Loader, Program};

/// Loads a program that iterates over `target` (`task`, `bpf_map`, `bpf_map_elem`, `cgroup`...) and
/// writes the 8 bytes of `text` for every element.
///
/// # Errors
///
/// The kernel has no such iterator, and what it answered, with the verifier's words.
pub fn iterator(target: &str, text: [u8; 8]) -> Result<Program> {
    let btf = KernelBtf::get()?;
    let context = format!("bpf_iter__{target}");
    // Where an iterator goes over what is in a map, the map comes before the key and is there at
    // the end, too.
    let key = btf.member(&context, "key")?;
    let element = key.map_or(8, |key| key.offset);
    let element = i16::try_from(element)?;

    let [text_low, text_high] = asm::set_wide(Register::R2, u64::from_ne_bytes(text));
    let write = [
        text_low,
        text_high,
        asm::store(Register::R10, -8, Register::R2),
        // The context begins with a pointer to the iteration, and that with a pointer to its
        // output.
        asm::load(Register::R1, Register::R1, 0),
        asm::load(Register::R1, Register::R1, 0),
        asm::copy(Register::R2, Register::R10),
        asm::add(Register::R2, -8),
        asm::set(Register::R3, 8),
        asm::call(BPF_FUNC_seq_write),
    ];
    let element_there = [
        asm::load(Register::R2, Register::R1, element),
        asm::skip_if_equal(Register::R2, 0, i16::try_from(write.len())?),
    ];
    let end = [asm::set(Register::R0, 0), asm::exit()];

    Loader::new(Hook::ITERATOR)
        .named(target)
        .function(&format!("bpf_iter_{target}"))?
        .running(&[&element_there[..], &write, &end].concat())
}
