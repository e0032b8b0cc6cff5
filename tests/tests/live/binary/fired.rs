//! What is attached by name runs.

use std::fs::File;

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::elf::{CODE, CODE_ADDRESS, EXECUTABLE, ElfFile, ElfSymbol, HOT, HOT_ADDRESS};
use bpf_link_tests::sys::MappedElf;
use bpf_link_tests::{CounterMap, Hook, Sandbox};
use bpf_link_typed::attach::When;
use bpf_link_typed::{
    Binary, BinaryPlace, PerfEventAttach, PerfEventDetails, UprobeEvent, UprobeMultiAttach,
};

use super::Made;
use crate::fixture::attaching::{adding, since};
use crate::fixture::text;
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(by_uprobe).needs(Need::PERF_EVENT),
    test!(by_uprobe_multi).needs(Need::UPROBE_MULTI),
    test!(by_pattern).needs(Need::UPROBE_MULTI),
    test!(the_file_that_was_read).needs(Need::UPROBE_MULTI),
    test!(the_file_that_was_read_by_uprobe).needs(Need::PERF_EVENT),
    test!(versions).needs(Need::UPROBE_MULTI),
    test!(by_debug_file).needs(Need::PERF_EVENT),
];

const COLD: u64 = CODE + 0x20;
const WARM: u64 = HOT + 0x40;

fn functions() -> Vec<ElfSymbol> {
    vec![
        ElfSymbol::function("cold", CODE_ADDRESS + 0x20),
        ElfSymbol::function("also_cold", CODE_ADDRESS + 0x20).weak(),
        ElfSymbol::function("warm", HOT_ADDRESS + 0x40),
        ElfSymbol::function("other", CODE_ADDRESS + 0x60).local(),
    ]
}

fn files() -> [ElfFile; 2] {
    let shared = ElfFile {
        symbols: functions(),
        ..ElfFile::native()
    };
    let fixed = ElfFile {
        file_type: EXECUTABLE,
        ..shared.clone()
    };
    [shared, fixed]
}

fn by_uprobe(sandbox: &Sandbox) -> Result<()> {
    for (file, name) in files().iter().zip(["shared", "fixed"]) {
        let made = Made::new(sandbox, name, file)?;
        for (function, offset) in [("cold", COLD), ("warm", WARM), ("warm+0", WARM)] {
            let (program, sum) = adding(Hook::KPROBE)?;
            let symbol = made.binary.function(function)?;
            ensure!(symbol.offset == offset, "{symbol:?}");
            let at = || UprobeEvent::in_binary(&made.binary, &symbol);
            let of_this_process = at().pid(std::process::id());
            for (to, is_on_return) in [
                (at(), false),
                (at().on_return(), true),
                (of_this_process, false),
            ] {
                let before = sum.read()?;
                let link = PerfEventAttach::to(to).cookie(5).attach(&program)?;
                made.mapped.call(offset);
                made.mapped.call(CODE);
                let added = sum.read()? - before;
                ensure!(added == 5, "{function}, {is_on_return}: {added}");
                let found = match link.info()?.event {
                    PerfEventDetails::Uprobe(found) if !is_on_return => found,
                    PerfEventDetails::Uretprobe(found) if is_on_return => found,
                    other => {
                        ensure!(since(6, 6, ())?.is_none(), "{other:?}");
                        continue;
                    }
                };
                ensure!(u64::from(found.offset) == offset);
                let path = found.file.context("it has a path")?;
                ensure!(path.to_str()? == text(&made.path)?);
            }
        }
    }
    Ok(())
}

fn by_uprobe_multi(sandbox: &Sandbox) -> Result<()> {
    let [file, _] = files();
    let made = Made::new(sandbox, "multi", &file)?;
    let places = [
        BinaryPlace::from(made.binary.function("cold")?).cookie(2),
        BinaryPlace::from(made.binary.function("warm")?).cookie(30),
        BinaryPlace::at(made.binary.offset_of(CODE_ADDRESS + 0x80)?),
    ];
    for when in [When::Entry, When::Return] {
        let (program, sum) = adding(Hook::UPROBE_MULTI)?;
        let to = UprobeMultiAttach::in_binary(&made.binary, when, places);
        let link = to.attach(&program)?;
        for offset in [COLD, WARM, CODE + 0x80, CODE + 0x60] {
            made.mapped.call(offset);
        }
        ensure!(sum.read()? == 32, "{when:?}: {}", sum.read()?);
        let info = link.info()?;
        ensure!(info.offsets == since(6, 8, vec![COLD, WARM, CODE + 0x80])?);
        ensure!(info.cookies == since(6, 8, vec![2, 30, 0])?);
    }
    Ok(())
}

fn by_pattern(sandbox: &Sandbox) -> Result<()> {
    let [file, _] = files();
    let made = Made::new(sandbox, "pattern", &file)?;
    let (program, sum) = adding(Hook::UPROBE_MULTI)?;
    // Two names of one place are one.
    let link = UprobeMultiAttach::matching(&made.binary, When::Entry, "*cold")?
        .cookies([7])
        .attach(&program)?;
    made.mapped.call(COLD);
    made.mapped.call(WARM);
    ensure!(sum.read()? == 7, "{}", sum.read()?);
    ensure!(link.info()?.offsets == since(6, 8, vec![COLD])?);
    // And back to names.
    let found = made.binary.symbols_at(&[WARM + 3, COLD, HOT + 0x800])?;
    let names = found.iter().map(|found| {
        let found = found.as_ref()?;
        Some((found.symbol.name.as_str(), found.offset))
    });
    ensure!(names.collect::<Vec<_>>() == [Some(("warm", 3)), Some(("cold", 0)), None]);
    Ok(())
}

/// Another file at the path makes no difference.
fn the_file_that_was_read(sandbox: &Sandbox) -> Result<()> {
    let replaced = Replaced::new(sandbox)?;
    let (program, sum) = adding(Hook::UPROBE_MULTI)?;
    let binary = &replaced.made.binary;
    let places = [BinaryPlace::from(binary.function("cold")?).cookie(1)];
    let to = UprobeMultiAttach::in_binary(binary, When::Entry, places);
    let _link = to.attach(&program)?;
    replaced.ensure_counted(&sum)
}

fn the_file_that_was_read_by_uprobe(sandbox: &Sandbox) -> Result<()> {
    let replaced = Replaced::new(sandbox)?;
    let (program, sum) = adding(Hook::KPROBE)?;
    let binary = &replaced.made.binary;
    let to = UprobeEvent::in_binary(binary, binary.function("cold")?);
    let _link = PerfEventAttach::to(to).cookie(1).attach(&program)?;
    replaced.ensure_counted(&sum)
}

/// A binary that was read before another file was put at its path.
struct Replaced {
    made: Made,
    other: MappedElf,
}

impl Replaced {
    fn new(sandbox: &Sandbox) -> Result<Self> {
        let [file, _] = files();
        let made = Made::new(sandbox, "replaced", &file)?;
        let path = sandbox.directory().join("other");
        std::fs::write(&path, file.build())?;
        let other = MappedElf::new(&File::open(&path)?)?;
        std::fs::rename(&path, &made.path)?;
        Ok(Self { made, other })
    }

    /// Holds that the program runs in the file that was read, and not in the other one.
    fn ensure_counted(&self, sum: &CounterMap) -> Result<()> {
        self.other.call(COLD);
        ensure!(sum.read()? == 0);
        self.made.mapped.call(COLD);
        ensure!(sum.read()? == 1);
        Ok(())
    }
}

/// The old and the new version of a function are two places.
fn versions(sandbox: &Sandbox) -> Result<()> {
    let copy = |address, version| ElfSymbol::function("copy", address).version(version);
    let file = ElfFile {
        dynamic: vec![
            copy(CODE_ADDRESS + 0x20, 0x8002),
            copy(HOT_ADDRESS + 0x40, 3),
        ],
        versions: vec!["LIB_1".to_owned(), "LIB_2".to_owned()],
        ..ElfFile::native()
    };
    let made = Made::new(sandbox, "versions", &file)?;
    let places = [
        BinaryPlace::from(made.binary.function("copy@LIB_1")?).cookie(2),
        BinaryPlace::from(made.binary.function("copy")?).cookie(30),
    ];
    let (program, sum) = adding(Hook::UPROBE_MULTI)?;
    let link = UprobeMultiAttach::in_binary(&made.binary, When::Entry, places).attach(&program)?;
    for (offset, expected) in [(COLD, 2), (WARM, 32)] {
        made.mapped.call(offset);
        ensure!(sum.read()? == expected, "{offset:#x}: {}", sum.read()?);
    }
    ensure!(link.info()?.offsets == since(6, 8, vec![COLD, WARM])?);
    Ok(())
}

/// A function that only the debug file names, which is found by its build id.
fn by_debug_file(sandbox: &Sandbox) -> Result<()> {
    let stripped = ElfFile {
        build_id: Some(vec![0x5e; 20]),
        ..ElfFile::native()
    };
    let debug = ElfFile {
        symbols: vec![ElfSymbol::function("internal", HOT_ADDRESS + 0x40).local()],
        has_code: false,
        ..stripped.clone()
    };
    let root = sandbox.directory().join("root");
    let ids = root.join("usr/lib/debug/.build-id/5e");
    std::fs::create_dir_all(&ids)?;
    std::fs::write(ids.join("5e".repeat(19) + ".debug"), debug.build())?;
    std::fs::write(root.join("app"), stripped.build())?;
    let mapped = MappedElf::new(&File::open(root.join("app"))?)?;
    let binary = Binary::open_in(&root, "/app")?;
    let internal = binary.function("internal")?;
    let (program, sum) = adding(Hook::KPROBE)?;
    let to = UprobeEvent::in_binary(&binary, &internal);
    let link = PerfEventAttach::to(to).cookie(5).attach(&program)?;
    mapped.call(CODE);
    mapped.call(WARM);
    ensure!(sum.read()? == 5, "{}", sum.read()?);
    if let PerfEventDetails::Uprobe(found) = link.info()?.event {
        let named = binary.symbol_at(found.offset.into())?;
        ensure!(named.context("it has a name")?.symbol == internal);
    } else {
        ensure!(since(6, 6, ())?.is_none());
    }
    Ok(())
}
