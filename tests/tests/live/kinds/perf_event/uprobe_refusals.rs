//! Places in a file that cannot be probed, and why.

use std::error::Error as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::{Hook, Program, Sandbox, own_code};
use bpf_link_typed::{Error, PerfEventAttach, UprobeEvent};

use crate::fixture::attaching::{ensure_empty_name, ensure_error};
use crate::functions::own::no_instruction;
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(where_no_instruction_is)
        .needs(Need::PERF_EVENT)
        .also_needs(&[Need::Function("uprobe_mmap")])
        .alone(),
    test!(a_path_without_a_letter)
        .needs(Need::PERF_EVENT)
        .also_needs(&[Need::Function("uprobe_mmap")]),
];

/// The kernel's `ENOTSUPP`, as this process maps the file.
fn where_no_instruction_is(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::KPROBE)?;
    let offset = no_instruction()?;
    let refused = PerfEventAttach::to(UprobeEvent::at(own_code::FILE, offset)).attach(&program);
    let Err(error @ Error::InstructionNotProbed { places, .. }) = &refused else {
        anyhow::bail!("{refused:?}");
    };
    ensure!(places.path == Path::new(own_code::FILE) && places.offsets == [offset]);
    let mut last: &dyn std::error::Error = error;
    while let Some(source) = last.source() {
        last = source;
    }
    ensure!(last.to_string().contains("ENOTSUPP"), "{last}");
    let command = error.command_error().context("no command")?;
    ensure!(
        command
            .source()
            .is_some_and(|source| !source.to_string().contains("Unknown"))
    );
    ensure_error!(
        refused,
        Error::InstructionNotProbed { .. },
        Some(524),
        &[own_code::FILE, &format!("{offset:#x}")]
    );
    Ok(())
}

fn a_path_without_a_letter(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::KPROBE)?;
    let to = PerfEventAttach::to(UprobeEvent::at("", 8));
    ensure_empty_name(to.attach(&program), &["a file \"\" at 0x8"])
}
