//! Files as a process has them mapped.

use std::fs::File;

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::Sandbox;
use bpf_link_tests::elf::{CODE_ADDRESS, ElfFile, ElfSymbol, HOT, HOT_ADDRESS};
use bpf_link_typed::{Binary, Error};

use super::Made;
use crate::fixture::text;
use crate::harness::{Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(as_a_process_has_it),
    test!(after_it_was_replaced),
    test!(no_such_process),
    test!(an_open_file),
];

fn file(name: &str, address: u64) -> ElfFile {
    ElfFile {
        symbols: vec![ElfSymbol::function(name, address)],
        ..ElfFile::native()
    }
}

fn as_a_process_has_it(sandbox: &Sandbox) -> Result<()> {
    let made = Made::new(sandbox, "libown.so.3", &file("own", CODE_ADDRESS))?;
    let path = text(&made.path)?;
    for name in ["libown.so.3", "libown", path] {
        let found = Binary::in_process(std::process::id(), name)?;
        ensure!(found.device_and_inode()? == made.binary.device_and_inode()?);
        ensure!(found.function("own").is_ok(), "{name}");
    }
    let missing = Binary::in_process(std::process::id(), "libow");
    ensure!(
        matches!(missing, Err(Error::NoSuchBinary { .. })),
        "{missing:?}"
    );
    Ok(())
}

/// The process has the old file, and the path leads to the new one.
fn after_it_was_replaced(sandbox: &Sandbox) -> Result<()> {
    let made = Made::new(sandbox, "libold.so.3", &file("old", HOT_ADDRESS))?;
    let new = sandbox.directory().join("new");
    std::fs::write(&new, file("new", CODE_ADDRESS).build())?;
    std::fs::rename(&new, &made.path)?;
    let found = Binary::in_process(std::process::id(), "libold")?;
    ensure!(found.function("old")?.offset == HOT);
    ensure!(found.function("new").is_err());
    ensure!(Binary::open(&made.path)?.function("new").is_ok());
    Ok(())
}

fn no_such_process(_sandbox: &Sandbox) -> Result<()> {
    let missing = Binary::in_process(0x7fff_fff0, "libc");
    let missing = missing.err().context("there is none")?;
    ensure!(missing.errno() == Some(libc::ENOENT), "{missing:?}");
    Ok(())
}

fn an_open_file(sandbox: &Sandbox) -> Result<()> {
    let made = Made::new(sandbox, "open", &file("own", CODE_ADDRESS))?;
    let open = Binary::from_file(File::open(&made.path)?)?;
    ensure!(open.path() == made.path && open.function("own").is_ok());
    Ok(())
}
