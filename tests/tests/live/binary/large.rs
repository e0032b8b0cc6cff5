//! Libraries that are larger than what is to be in memory.

use allocation_counter::measure;
use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::Sandbox;
use bpf_link_tests::elf::{CODE, CODE_ADDRESS, ElfFile, ElfSymbol};
use bpf_link_typed::{Binary, BinaryProblem};

use super::problem;
use crate::harness::{Test, test};

pub(crate) const TESTS: &[Test] = &[test!(one_function_takes_little_memory), test!(long_names)];

const FUNCTIONS: u64 = 200_000;
/// As long as a file with what debuggers need.
const LEN: u64 = 1 << 30;
/// What a look-up may have in memory at once, in bytes.
const MOST: u64 = 1 << 20;

fn one_function_takes_little_memory(sandbox: &Sandbox) -> Result<()> {
    let path = sandbox.directory().join("large");
    let name = |number: u64| format!("module{number:06}_function");
    let function = |number| ElfSymbol::function(&name(number), CODE_ADDRESS + number % 256 * 16);
    let file = ElfFile {
        symbols: (0..FUNCTIONS).map(function).collect(),
        ..ElfFile::native()
    };
    std::fs::write(&path, file.build())?;
    std::fs::File::options()
        .write(true)
        .open(&path)?
        .set_len(LEN)?;
    let mut found = None;
    let used = measure(|| {
        let binary = Binary::open(&path);
        found = Some(binary.and_then(|binary| binary.function(name(100_001))));
    });
    let offset = found.context("measured")??.offset;
    ensure!(offset == CODE + 100_001 % 256 * 16);
    ensure!(used.bytes_max < MOST, "{} bytes at once", used.bytes_max);
    Ok(())
}

/// Names are read up to a length that no compiler reaches.
fn long_names(sandbox: &Sandbox) -> Result<()> {
    let path = sandbox.directory().join("shared_name");
    let long = "x".repeat(60_000);
    let file = ElfFile {
        symbols: vec![ElfSymbol::function(&long, CODE_ADDRESS)],
        ..ElfFile::native()
    };
    std::fs::write(&path, file.build())?;
    let binary = Binary::open(&path)?;
    ensure!(binary.function(&long)?.offset == CODE);
    let file = ElfFile {
        symbols: vec![ElfSymbol::function(&"y".repeat(70_000), CODE_ADDRESS)],
        ..ElfFile::native()
    };
    std::fs::write(&path, file.build())?;
    let refused = problem(Binary::open(&path)?.functions_where(|_| true), &path)?;
    ensure!(
        matches!(refused, BinaryProblem::TooLarge { .. }),
        "{refused:?}"
    );
    Ok(())
}
