//! The bindings, held to the types of the kernel that runs here.

use anyhow::{Result, ensure};
use bpf_link_tests::abi::{Abi, Comparison};
use bpf_link_tests::{KernelBtf, Sandbox};

use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(what_both_have_is_the_same),
    test!(nothing_of_links_is_missing).needs(&[Need::Before(7, 4)]),
    test!(links_are_those_of_this_kernel).needs(&[Need::Linux(7, 3), Need::Before(7, 4)]),
];

const BINDINGS: &str = include_str!("../../../../bpf-link-sys/src/bindings.rs");

/// What links are made, changed and described by. The bindings have all of it that there was in
/// Linux 7.3, which they are generated from, or before.
const LINKS: [&str; 5] = [
    "bpf_attr.link_create",
    "bpf_attr.link_update",
    "bpf_link_info",
    "bpf_link_type",
    "bpf_attach_type",
];

/// The types and enumerations that every kernel shows which has links.
const KNOWN_TYPES: [&str; 6] = [
    "bpf_attr",
    "bpf_insn",
    "bpf_iter_link_info",
    "bpf_link_info",
    "bpf_prog_info",
    "perf_event_attr",
];
const KNOWN_ENUMS: [&str; 5] = [
    "bpf_attach_type",
    "bpf_cmd",
    "bpf_link_type",
    "bpf_map_type",
    "bpf_prog_type",
];

fn comparison() -> Result<Comparison> {
    let bindings = Abi::of_bindings(BINDINGS)?;
    let kernel = KernelBtf::get()?.abi(&bindings)?;
    for name in KNOWN_TYPES {
        ensure!(
            kernel.types.contains_key(name),
            "the kernel shows no {name}"
        );
    }
    for name in KNOWN_ENUMS {
        let is_known = kernel.enums.iter().any(|found| found.name == name);
        ensure!(is_known, "the kernel shows no enum {name}");
    }
    Ok(bindings.compare(&kernel))
}

fn what_both_have_is_the_same(_sandbox: &Sandbox) -> Result<()> {
    let comparison = comparison()?;
    println!("{comparison}");
    let Comparison { differences, .. } = comparison;
    ensure!(differences.is_empty(), "{}", differences.join("\n"));
    Ok(())
}

fn nothing_of_links_is_missing(_sandbox: &Sandbox) -> Result<()> {
    let mut missing = comparison()?.missing;
    missing.retain(|missing| is_of_links(&missing.path));
    ensure!(missing.is_empty(), "{missing:#?}");
    Ok(())
}

fn links_are_those_of_this_kernel(_sandbox: &Sandbox) -> Result<()> {
    let mut newer = comparison()?.newer;
    newer.retain(|path| is_of_links(path));
    ensure!(newer.is_empty(), "the kernel has no {}", newer.join(", "));
    Ok(())
}

/// Whether a field or a constant is part of [`LINKS`].
fn is_of_links(path: &str) -> bool {
    LINKS.iter().any(|part| {
        path.strip_prefix(part)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}
