//! A program for libbpf, which takes them from object files only.

use anyhow::Result;
use bpf_link_sys::{BPF_ALU64, BPF_EXIT, BPF_JMP, BPF_K, BPF_MOV};
use libbpf_rs::{Object, ObjectBuilder};
use object::write::{Object as File, Symbol, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope,
};

/// What an XDP program returns to let a packet pass.
const XDP_PASS: i32 = 2;

/// A loaded object with one program, which lets every packet pass.
pub(crate) fn xdp_object() -> Result<Object> {
    loaded("xdp", XDP_PASS)
}

/// A loaded object with one program for uprobes, which does nothing.
pub(crate) fn uprobe_object() -> Result<Object> {
    loaded("uprobe", 0)
}

/// A loaded object with one program in a section of this name, which returns this.
fn loaded(section: &str, returned: i32) -> Result<Object> {
    let set_r0 = instruction(BPF_ALU64 | BPF_MOV | BPF_K, returned)?;
    let code = [set_r0, instruction(BPF_JMP | BPF_EXIT, 0)?].concat();
    let endianness = if cfg!(target_endian = "big") {
        Endianness::Big
    } else {
        Endianness::Little
    };
    let mut file = File::new(BinaryFormat::Elf, Architecture::Bpf, endianness);
    let section = file.add_section(vec![], section.as_bytes().to_vec(), SectionKind::Text);
    file.append_section_data(section, &code, 8);
    file.add_symbol(Symbol {
        name: b"pass".to_vec(),
        value: 0,
        size: u64::try_from(code.len())?,
        kind: SymbolKind::Text,
        scope: SymbolScope::Dynamic,
        weak: false,
        section: SymbolSection::Section(section),
        flags: SymbolFlags::None,
    });
    let object = ObjectBuilder::default().open_memory(&file.write()?)?;
    Ok(object.load()?)
}

/// An instruction on register 0, as it is in memory.
fn instruction(code: u32, immediate: i32) -> Result<[u8; 8]> {
    let [a, b, c, d] = immediate.to_ne_bytes();
    Ok([u8::try_from(code)?, 0, 0, 0, a, b, c, d])
}
