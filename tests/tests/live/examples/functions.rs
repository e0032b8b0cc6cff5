//! The examples about functions of libraries and of the kernel.

use std::fs::File;

use anyhow::{Result, ensure};
use bpf_link_tests::elf::{CODE, CODE_ADDRESS, ElfFile, ElfSymbol, HOT, HOT_ADDRESS};
use bpf_link_tests::mounted::mount_tracefs;
use bpf_link_tests::sys::MappedElf;
use bpf_link_tests::{Hook, Loader, Sandbox};

use super::running::{Running, run};
use super::{EXAMPLES, counting, counting_by};
use crate::fixture::attaching::{since, stops};
use crate::fixture::text;
use crate::functions::kernel::call_all;
use crate::functions::test::{Caller, FUNCTION};
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(fentry).needs(Need::TRACING).also_needs(EXAMPLES),
    test!(fentry_with_another_program).needs(EXAMPLES),
    test!(kernel_functions)
        .needs(Need::KPROBE_MULTI)
        .also_needs(EXAMPLES),
    test!(library_function)
        .needs(Need::UPROBE_MULTI)
        .also_needs(EXAMPLES),
    test!(library_without_the_function).needs(EXAMPLES),
];

fn fentry(sandbox: &Sandbox) -> Result<()> {
    let caller = Caller::new()?;
    let loader = Loader::new(Hook::FENTRY).function(FUNCTION)?;
    let (program, counter, _) = counting_by(sandbox, "calls", loader.in_this_process())?;
    let (example, said) = Running::attached("fentry", &[program.path()?])?;
    if since(6, 0, ())?.is_some() {
        ensure!(
            said.contains(&format!("each call of {FUNCTION}.")),
            "{said}"
        );
    }
    caller.call()?;
    caller.call()?;
    ensure!(counter.read()? == 2, "{}", counter.read()?);
    example.end()?;
    stops(&counter, || caller.call())
}

fn fentry_with_another_program(sandbox: &Sandbox) -> Result<()> {
    let (program, _, _) = counting(sandbox, "calls", Hook::XDP)?;
    let refused = run("fentry", &[program.path()?])?;
    ensure!(refused.status == Some(1), "{refused:?}");
    // The program's type, and what the kernel answered.
    for words in ["xdp", "os error 22"] {
        ensure!(refused.errors.contains(words), "{words}: {refused:?}");
    }
    Ok(())
}

fn kernel_functions(sandbox: &Sandbox) -> Result<()> {
    mount_tracefs()?;
    let loader = Loader::new(Hook::KPROBE_MULTI).in_this_process();
    let (program, counter, _) = counting_by(sandbox, "calls", loader)?;
    let arguments = [program.path()?, "__*_sys_get?id"];
    let (example, said) = Running::attached("kernel_functions", &arguments)?;
    for function in ["_sys_getuid\n", "_sys_getgid\n"] {
        ensure!(said.contains(function), "{said}");
    }
    let before = counter.read()?;
    call_all();
    // Not `getppid`.
    ensure!(counter.read()? == before + 2);
    let said = example.end()?;
    let missed = since(6, 7, "The program missed 0 calls.\n")?.unwrap_or_default();
    ensure!(said == format!("{missed}It is detached.\n"), "{said}");
    stops(&counter, || {
        call_all();
        Ok(())
    })
}

/// A library with two functions.
fn library(sandbox: &Sandbox) -> Result<(std::path::PathBuf, MappedElf)> {
    let file = ElfFile {
        symbols: vec![
            ElfSymbol::function("warm", HOT_ADDRESS),
            ElfSymbol::function("cold", CODE_ADDRESS),
        ],
        ..ElfFile::native()
    };
    let path = sandbox.directory().join("libheat.so.1");
    std::fs::write(&path, file.build())?;
    let mapped = MappedElf::new(&File::open(&path)?)?;
    Ok((path, mapped))
}

fn library_function(sandbox: &Sandbox) -> Result<()> {
    let (path, mapped) = library(sandbox)?;
    let (program, counter, _) = counting(sandbox, "calls", Hook::UPROBE_MULTI)?;
    let arguments = [program.path()?, text(&path)?, "warm"];
    let (example, said) = Running::attached("library_function", &arguments)?;
    ensure!(
        said.starts_with(&format!("warm is at offset {HOT:#x} of ")),
        "{said}"
    );
    mapped.call(HOT);
    mapped.call(CODE);
    mapped.call(HOT);
    ensure!(counter.read()? == 2, "{}", counter.read()?);
    example.end()?;
    stops(&counter, || {
        mapped.call(HOT);
        Ok(())
    })
}

/// The names that are close to it are said.
fn library_without_the_function(sandbox: &Sandbox) -> Result<()> {
    let (path, _mapped) = library(sandbox)?;
    let (program, _, _) = counting(sandbox, "calls", Hook::XDP)?;
    let refused = run("library_function", &[program.path()?, text(&path)?, "worm"])?;
    ensure!(refused.status == Some(1), "{refused:?}");
    ensure!(
        refused.errors.contains("worm") && refused.errors.contains("warm"),
        "{refused:?}"
    );
    Ok(())
}
