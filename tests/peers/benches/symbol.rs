//! One function of a large library, found by its name.
//!
//! Libbpf looks for it when it attaches; so all sides attach, to a process that does not exist,
//! which the kernel refuses once the function is found.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use bpf_link_peers::Side;
use bpf_link_tests::elf::{CODE_ADDRESS, ElfFile, ElfSymbol};
use bpf_link_tests::{Hook, Program, Sandbox};
use bpf_link_typed::{Binary, PerfEventAttach, UprobeEvent};

use crate::bench::Bench;

/// How many functions the library has.
const FUNCTIONS: usize = 200_000;
/// How long its file is, in bytes: as long as one with what debuggers need.
const LEN: u64 = 128 << 20;
/// A process that does not exist.
const NOBODY: u32 = 0x7fff_fff0;

pub(crate) fn measure(bench: &mut Bench, sandbox: &Sandbox) -> Result<()> {
    let path = library(sandbox)?;
    let wanted = name(FUNCTIONS / 2);
    let program = Program::passing(Hook::KPROBE)?;
    let refused = attach(&path, &wanted, &program).err();
    let refused = refused.context("there is such a process")?;
    ensure!(
        refused.errno() == Some(rustix::io::Errno::SRCH.raw_os_error()),
        "{refused:?}"
    );
    let sides = vec![
        Side::ours(|| assert!(attach(&path, &wanted, &program).is_err())),
        #[cfg(feature = "libbpf-rs")]
        libbpf(&path, &wanted)?,
    ];
    bench.compare("symbol", 4, sides)?;
    Ok(std::fs::remove_file(path)?)
}

fn attach(path: &Path, name: &str, program: &Program) -> bpf_link_typed::Result<()> {
    let library = Binary::open(path)?;
    let function = library.function(name)?;
    let event = UprobeEvent::in_binary(&library, &function).pid(NOBODY);
    PerfEventAttach::to(event).attach(program).map(drop)
}

#[cfg(feature = "libbpf-rs")]
fn libbpf<'a>(path: &'a Path, name: &'a str) -> Result<Side<'a>> {
    use libbpf_rs::UprobeOpts;

    // It would write a line about each refusal.
    libbpf_rs::set_print(None);
    let object = crate::libbpf::uprobe_object()?;
    let attach = move || {
        let mut programs = object.progs_mut();
        let program = programs.next().context("a program")?;
        let opts = UprobeOpts {
            func_name: Some(name.to_owned()),
            ..UprobeOpts::default()
        };
        let nobody = i32::try_from(NOBODY)?;
        anyhow::Ok(program.attach_uprobe_with_opts(nobody, path, 0, opts).err())
    };
    let refused = attach()?.context("there is such a process")?;
    let refused = format!("{refused:?}");
    ensure!(refused.contains("No such process"), "{refused}");
    Ok(Side::libbpf(move || {
        assert!(attach().is_ok_and(|refused| refused.is_some()));
    }))
}

fn name(number: usize) -> String {
    format!("_ZN7library6module{number:06}8functionEv")
}

fn library(sandbox: &Sandbox) -> Result<PathBuf> {
    let path = sandbox.directory().join("liblarge.so");
    let function = |number| {
        let address = CODE_ADDRESS + (number % 256) as u64 * 16;
        ElfSymbol::function(&name(number), address)
    };
    let library = ElfFile {
        symbols: (0..FUNCTIONS).map(function).collect(),
        // Libbpf goes by sections.
        is_misleading: false,
        ..ElfFile::native()
    };
    std::fs::write(&path, library.build())?;
    let file = std::fs::File::options().write(true).open(&path)?;
    file.set_len(LEN)?;
    Ok(path)
}
