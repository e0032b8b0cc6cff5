//! Binaries without section headers, as `sstrip` leaves them.

use std::collections::HashSet;

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::elf::{CODE, CODE_ADDRESS, ElfFile, ElfSymbol, HOT, HOT_ADDRESS};
use bpf_link_tests::{Hook, Sandbox};
use bpf_link_typed::attach::When;
use bpf_link_typed::{Binary, BinaryProblem, BinarySymbol, UprobeMultiAttach};

use super::{Made, ensure_missing, problem};
use crate::fixture::attaching::adding;
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(each_size_and_order),
    test!(what_is_imported_or_missing),
    test!(an_exported_function_is_traced).needs(Need::UPROBE_MULTI),
    // The guests' tests are linked with what they need.
    test!(a_library_of_this_machine).needs(&[Need::Without(&Need::OwnKernel)]),
    test!(hashes_and_symbols_that_are_not_there),
];

fn file() -> ElfFile {
    ElfFile {
        has_sections: false,
        dynamic: vec![
            ElfSymbol::function("malloc", 0),
            ElfSymbol::function("copy", CODE_ADDRESS).version(0x8002),
            ElfSymbol::function("copy", HOT_ADDRESS + 0x10).version(3),
            ElfSymbol::function("warm", HOT_ADDRESS + 0x40),
        ],
        versions: vec!["LIB_1".to_owned(), "LIB_2".to_owned()],
        needed: vec!["libc.so.6".to_owned()],
        ..ElfFile::native()
    }
}

/// What is found is the same as by the section headers.
fn each_size_and_order(sandbox: &Sandbox) -> Result<()> {
    for (is_64, is_big, machine) in [
        (false, false, 40),
        (false, true, 8),
        (true, false, 62),
        (true, true, 22),
    ] {
        for has_gnu_hash in [false, true] {
            let without = ElfFile {
                is_64,
                is_big,
                machine,
                has_gnu_hash,
                ..file()
            };
            let with = ElfFile {
                has_sections: true,
                ..without.clone()
            };
            let [without, with] = [without, with].map(|file| {
                let path = sandbox.directory().join("form");
                std::fs::write(&path, file.build())?;
                let binary = Binary::open(&path)?;
                let old = binary.function("copy@LIB_1")?;
                anyhow::Ok((old, binary.functions_where(|_| true)?))
            });
            let (old, all) = without?;
            ensure!(old.offset == CODE && old.is_old_version && all.len() == 3);
            ensure!((old, all) == with?);
        }
    }
    Ok(())
}

fn what_is_imported_or_missing(sandbox: &Sandbox) -> Result<()> {
    let made = Made::new(sandbox, "importing", &file())?;
    let refused = problem(made.binary.function("malloc"), &made.path)?;
    let expected = BinaryProblem::Imported {
        name: "malloc".to_owned(),
        libraries: file().needed,
    };
    ensure!(refused == expected, "{refused:?}");
    ensure_missing(&made, "warn", "warm", true)?;
    Ok(())
}

fn an_exported_function_is_traced(sandbox: &Sandbox) -> Result<()> {
    let made = Made::new(sandbox, "traced", &file())?;
    let (program, sum) = adding(Hook::UPROBE_MULTI)?;
    let to = UprobeMultiAttach::matching(&made.binary, When::Entry, "warm")?;
    let _link = to.cookies([7]).attach(&program)?;
    made.mapped.call(HOT + 0x40);
    made.mapped.call(CODE);
    ensure!(sum.read()? == 7, "{}", sum.read()?);
    Ok(())
}

/// The library that this program is linked with, without its section headers.
fn a_library_of_this_machine(sandbox: &Sandbox) -> Result<()> {
    const OFFSET: std::ops::Range<usize> = 0x28..0x30;
    const COUNT_AND_NAMES: std::ops::Range<usize> = 0x3c..0x40;
    let whole = Binary::in_process(std::process::id(), "libc")?;
    let mut bytes = std::fs::read(whole.path())?;
    for range in [OFFSET, COUNT_AND_NAMES] {
        bytes.get_mut(range).context("it is longer")?.fill(0);
    }
    let path = sandbox.directory().join("libc.so.6");
    std::fs::write(&path, bytes)?;
    let stripped = Binary::open(&path)?;
    ensure!(stripped.function("malloc")? == whole.function("malloc")?);
    ensure!(stripped.build_id()? == whole.build_id()?);
    let key = |one: BinarySymbol| (one.offset, one.name, one.version, one.size);
    let all: HashSet<_> = whole
        .functions_named("pthread_create")?
        .into_iter()
        .map(key)
        .collect();
    let found: HashSet<_> = stripped
        .functions_named("pthread_create")?
        .into_iter()
        .map(key)
        .collect();
    ensure!(!found.is_empty() && found == all, "{found:?}, not {all:?}");
    let (found, all) = (
        stripped.functions_where(|_| true)?,
        whole.functions_where(|_| true)?,
    );
    let all: HashSet<u64> = all.iter().map(|one| one.offset).collect();
    ensure!(found.len() > 1_000, "{}", found.len());
    ensure!(found.iter().all(|one| all.contains(&one.offset)));
    Ok(())
}

/// What no loader finds by name is not exported, and what is not in the file is malformed.
fn hashes_and_symbols_that_are_not_there(sandbox: &Sandbox) -> Result<()> {
    const GNU_HASH: u64 = 0x6fff_fef5;
    const SYMBOLS: u64 = 6;
    const STRINGS_LEN: u64 = 10;
    let path = sandbox.directory().join("changed");
    let changed = |tag: u64, to: [u64; 2]| {
        let mut file = file().build();
        let last = |bytes: &[u8]| {
            bytes
                .windows(8)
                .rposition(|bytes| bytes == tag.to_ne_bytes())
        };
        let place = last(&file).context("it has the tag")?;
        let to = to.into_iter().flat_map(u64::to_ne_bytes);
        file.splice(place..place + 16, to);
        std::fs::write(&path, file)?;
        Ok::<_, anyhow::Error>(Binary::open(&path)?)
    };
    let uncounted = changed(GNU_HASH, [0x6fff_ff00, 0])?;
    ensure!(uncounted.functions_where(|_| true)?.is_empty());
    let refused = problem(uncounted.function("warm"), &path)?;
    let is_said = matches!(&refused, BinaryProblem::Stripped { .. });
    ensure!(is_said, "{refused:?}");
    for (tag, value, what) in [
        (GNU_HASH, 0xffff_0000, "the hashes of its exported symbols"),
        (GNU_HASH, CODE_ADDRESS, "the hashes of its exported symbols"),
        (SYMBOLS, 0xffff_0000, "a table of symbols"),
        (STRINGS_LEN, 0xffff_0000, "a table of strings"),
    ] {
        let refused = problem(changed(tag, [tag, value])?.function("warm"), &path)?;
        ensure!(
            refused == BinaryProblem::Malformed { what },
            "{tag}: {refused:?}"
        );
    }
    Ok(())
}
