//! Symbols that are compressed into a stripped binary (`.gnu_debugdata`).

use allocation_counter::measure;
use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::elf::{CODE, CODE_ADDRESS, ElfFile, ElfSymbol, HOT, HOT_ADDRESS, compressed};
use bpf_link_tests::{Hook, Sandbox};
use bpf_link_typed::attach::When;
use bpf_link_typed::{
    Binary, BinaryProblem, PerfEventAttach, SymbolBinding, UprobeEvent, UprobeMultiAttach,
};

use super::found::crc32;
use super::{Made, ensure_missing, problem};
use crate::fixture::attaching::adding;
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(local_functions),
    test!(a_local_function_is_traced).needs(Need::UPROBE_MULTI),
    test!(a_local_function_is_probed).needs(Need::PERF_EVENT),
    test!(debug_files_come_first),
    test!(damaged),
    test!(more_than_is_read),
];

const WARM: u64 = HOT + 0x40;

fn symbols() -> Vec<ElfSymbol> {
    vec![
        ElfSymbol::function("warm", HOT_ADDRESS + 0x40).local(),
        ElfSymbol::function("exported", CODE_ADDRESS + 0x80).local(),
    ]
}

/// As distributions strip: what is exported stays, and local functions are compressed.
fn stripped(debug_data: Vec<u8>) -> ElfFile {
    ElfFile {
        dynamic: vec![
            ElfSymbol::function("exported", CODE_ADDRESS),
            ElfSymbol::function("imported", 0),
        ],
        debug_data: Some(debug_data),
        ..ElfFile::native()
    }
}

fn with_local_functions() -> Result<ElfFile> {
    let inner = ElfFile {
        symbols: symbols(),
        has_code: false,
        ..ElfFile::native()
    };
    Ok(stripped(compressed(&inner.build())?))
}

fn local_functions(sandbox: &Sandbox) -> Result<()> {
    let made = Made::new(sandbox, "mini", &with_local_functions()?)?;
    let warm = made.binary.function("warm")?;
    ensure!(warm.offset == WARM && warm.binding == SymbolBinding::Local);
    ensure!(made.binary.function("exported")?.offset == CODE);
    ensure!(made.binary.functions_named("exported")?.len() == 2);
    let matching = made.binary.functions_matching("*")?;
    let names: Vec<&str> = matching.iter().map(|one| one.name.as_str()).collect();
    ensure!(names == ["exported", "exported", "warm"], "{names:?}");
    let at = made.binary.symbol_at(WARM + 3)?.context("it has a name")?;
    ensure!(at.symbol == warm && at.offset == 3);
    ensure_missing(&made, "warn", "warm", false)?;
    let refused = problem(made.binary.function("imported"), &made.path)?;
    ensure!(matches!(refused, BinaryProblem::Imported { .. }));
    Ok(())
}

fn a_local_function_is_traced(sandbox: &Sandbox) -> Result<()> {
    let made = Made::new(sandbox, "traced", &with_local_functions()?)?;
    let (program, sum) = adding(Hook::UPROBE_MULTI)?;
    let to = UprobeMultiAttach::matching(&made.binary, When::Entry, "war?")?;
    let _link = to.cookies([7]).attach(&program)?;
    made.mapped.call(WARM);
    made.mapped.call(CODE);
    ensure!(sum.read()? == 7, "{}", sum.read()?);
    Ok(())
}

fn a_local_function_is_probed(sandbox: &Sandbox) -> Result<()> {
    let made = Made::new(sandbox, "probed", &with_local_functions()?)?;
    let (program, sum) = adding(Hook::KPROBE)?;
    let to = UprobeEvent::in_binary(&made.binary, made.binary.function("warm")?);
    let _link = PerfEventAttach::to(to).cookie(5).attach(&program)?;
    made.mapped.call(WARM);
    made.mapped.call(CODE);
    ensure!(sum.read()? == 5, "{}", sum.read()?);
    Ok(())
}

/// A debug file has all symbols, so what is compressed into the binary is not looked at.
fn debug_files_come_first(sandbox: &Sandbox) -> Result<()> {
    let root = sandbox.directory().join("root");
    std::fs::create_dir_all(root.join("bin"))?;
    let debug = ElfFile {
        symbols: vec![ElfSymbol::function("of_debug_file", CODE_ADDRESS + 0x20)],
        ..ElfFile::native()
    };
    let debug = debug.build();
    std::fs::write(root.join("bin/app.debug"), &debug)?;
    let app = ElfFile {
        debug_link: Some(("app.debug".to_owned(), crc32(&debug))),
        ..stripped(b"not compressed".to_vec())
    };
    std::fs::write(root.join("bin/app"), app.build())?;
    let binary = Binary::open_in(&root, "/bin/app")?;
    ensure!(binary.function("of_debug_file")?.offset == CODE + 0x20);
    Ok(())
}

/// What is exported is found all the same.
fn damaged(sandbox: &Sandbox) -> Result<()> {
    let whole = compressed(b"an ELF file is longer than this")?;
    let mut changed = whole.clone();
    *changed.get_mut(30).context("it is longer")? ^= 1;
    let cut = whole.get(..whole.len() - 1).context("it is longer")?;
    let trailing = [&whole, &b"more"[..]].concat();
    let not_elf = compressed(b"")?;
    for data in [&whole, &changed, cut, &trailing, &not_elf, &b""[..]] {
        let made = Made::new(sandbox, "damaged", &stripped(data.to_vec()))?;
        ensure!(made.binary.function("exported")?.offset == CODE);
        for refused in [
            made.binary.function("warm").map(|one| vec![one]),
            made.binary.functions_matching("*"),
        ] {
            let refused = problem(refused, &made.path)?;
            let is_said = matches!(refused, BinaryProblem::Malformed { what } if what.contains(".gnu_debugdata"));
            ensure!(is_said, "{refused:?}");
        }
    }
    Ok(())
}

/// Sections that ask for gigabytes are refused before as much is allocated.
fn more_than_is_read(sandbox: &Sandbox) -> Result<()> {
    /// What is read at most, twice as it grows, and what the decoder has.
    const MOST: u64 = 256 << 20;
    let zeros = compressed(&vec![0; (64 << 20) + 1])?;
    let mut dictionary = compressed(b"")?;
    // A block whose dictionary is as large as there is. Its header follows that of the stream.
    let mut block = vec![2, 0, 0x21, 1, 40, 0, 0, 0];
    block.extend(crc32(&block).to_le_bytes());
    dictionary.splice(12..12, block);
    for data in [zeros, dictionary] {
        let made = Made::new(sandbox, "large", &stripped(data))?;
        let mut refused = None;
        let used = measure(|| refused = Some(made.binary.function("warm")));
        let refused = problem(refused.context("measured")?, &made.path)?;
        let is_said =
            matches!(refused, BinaryProblem::TooLarge { what } if what.contains(".gnu_debugdata"));
        ensure!(is_said, "{refused:?}");
        ensure!(used.bytes_max < MOST, "{} bytes at once", used.bytes_max);
    }
    Ok(())
}
