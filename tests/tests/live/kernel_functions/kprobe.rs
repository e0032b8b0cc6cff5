//! Kprobes on functions that were found.

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::{Hook, Program, Sandbox};
use bpf_link_typed::{KernelFunctions, KprobeEvent, PerfEventAttach};

use crate::fixture::attaching::{adding, ensure_ambiguous};
use crate::functions::kernel::{CALLS, with_hidden_addresses};
use crate::functions::listed;
use crate::harness::{Need, Test, test};

const KPROBES: &[Need] = &[Need::Function("register_kprobe")];

pub(crate) const TESTS: &[Test] = &[
    test!(on_system_calls)
        .needs(Need::PERF_EVENT)
        .also_needs(KPROBES),
    test!(on_one_of_two)
        .needs(Need::PERF_EVENT)
        .also_needs(KPROBES),
    test!(as_on_an_old_kernel)
        .needs(Need::PERF_EVENT)
        .also_needs(KPROBES),
    test!(where_addresses_are_hidden)
        .needs(Need::PERF_EVENT)
        .also_needs(KPROBES)
        .alone(),
];

fn on_system_calls(_sandbox: &Sandbox) -> Result<()> {
    let kernel = KernelFunctions::all()?;
    for (name, call) in ["getuid", "getgid", "getppid"].into_iter().zip(CALLS) {
        let event = KprobeEvent::at_function(&kernel.syscall(name)?);
        for event in [event.clone(), event.on_return()] {
            let (program, sum) = adding(Hook::KPROBE)?;
            let link = PerfEventAttach::to(event).cookie(5).attach(&program)?;
            call();
            ensure!(sum.read()? == 5, "{name}: {}", sum.read()?);
            drop(link);
            call();
            ensure!(sum.read()? == 5);
        }
    }
    Ok(())
}

fn on_one_of_two(sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::KPROBE)?;
    let (name, addresses) = listed::of_two(sandbox.tracefs()?)?;
    let kernel = KernelFunctions::all()?;
    let both = kernel.functions_named(name.to_str()?)?;
    ensure!(both.len() == addresses.len());
    for function in &both {
        let attached = PerfEventAttach::to(KprobeEvent::at_function(function)).attach(&program);
        drop(attached.with_context(|| format!("{function:?}"))?);
    }
    Ok(())
}

/// Before Linux 6.7 the kernel is not asked, as it might take the first.
fn as_on_an_old_kernel(sandbox: &Sandbox) -> Result<()> {
    const RELEASE: &str = "/proc/sys/kernel/osrelease";
    let program = Program::passing(Hook::KPROBE)?;
    let (name, addresses) = listed::of_two(sandbox.tracefs()?)?;
    let old = sandbox.directory().join("release");
    std::fs::write(&old, "6.6.0\n")?;
    rustix::mount::mount_bind(&old, RELEASE)?;
    let refused = PerfEventAttach::to(KprobeEvent::at(&name, 0)).attach(&program);
    ensure_ambiguous(refused, &name, &addresses, None)?;
    std::fs::write(&old, "6.7.0\n")?;
    let refused = PerfEventAttach::to(KprobeEvent::at(&name, 0)).attach(&program);
    ensure_ambiguous(refused, &name, &addresses, Some(libc::EADDRNOTAVAIL))
}

fn where_addresses_are_hidden(_sandbox: &Sandbox) -> Result<()> {
    let (program, sum) = adding(Hook::KPROBE)?;
    let call_getuid = CALLS.first().context("no call")?;
    let function = with_hidden_addresses(|| Ok(KernelFunctions::all()?.syscall("getuid")?))?;
    let event = KprobeEvent::at_function(&function);
    let _link = PerfEventAttach::to(event).cookie(5).attach(&program)?;
    call_getuid();
    ensure!(sum.read()? == 5, "{}", sum.read()?);
    Ok(())
}
