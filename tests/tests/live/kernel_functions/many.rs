//! `kprobe_multi` links on what a pattern or a closure picks.

use anyhow::{Result, ensure};
use bpf_link_tests::mounted::mount_tracefs;
use bpf_link_tests::{CounterMap, DeviceKind, Hook, Loader, Program, Sandbox};
use bpf_link_typed::attach::When;
use bpf_link_typed::{
    Error, KernelFunctionProblem, KernelFunctions, KprobeMultiAttach, KprobeMultiLink,
};

use super::problem;
use crate::fixture::attaching::{SUM, SUMMANDS, adding, since};
use crate::functions::kernel::{call_all, with_hidden_addresses};
use crate::functions::listed;
use crate::functions::module::make_a_pair;
use crate::harness::{Need, Test, test};

const MODULE: &[Need] = &[Need::Device(DeviceKind::Veth)];

pub(crate) const TESTS: &[Test] = &[
    test!(by_pattern).needs(Need::KPROBE_MULTI),
    test!(by_closure_with_cookies).needs(Need::KPROBE_MULTI),
    test!(all_of_a_wide_pattern).needs(Need::KPROBE_MULTI),
    test!(both_of_one_name).needs(Need::KPROBE_MULTI),
    test!(of_a_module)
        .needs(Need::KPROBE_MULTI)
        .also_needs(MODULE),
    test!(where_addresses_are_hidden)
        .needs(Need::KPROBE_MULTI)
        .alone(),
];

/// Counts the runs for this process.
fn counting() -> Result<(Program, CounterMap)> {
    let counter = CounterMap::new()?;
    let loader = Loader::new(Hook::KPROBE_MULTI).in_this_process();
    let program = loader.counting(&counter).passing()?;
    Ok((program, counter))
}

fn ensure_count(link: &KprobeMultiLink, count: usize) -> Result<()> {
    let expected = since(6, 6, u32::try_from(count)?)?;
    let found = link.info()?.count;
    ensure!(found == expected, "{found:?} in place of {expected:?}");
    Ok(())
}

/// Where tracefs usually is.
fn by_pattern(_sandbox: &Sandbox) -> Result<()> {
    mount_tracefs()?;
    for when in [When::Entry, When::Return] {
        let (program, counter) = counting()?;
        let link = KprobeMultiAttach::matching(when, "__*_sys_get?id")?.attach(&program)?;
        ensure!(link.info()?.count.is_none_or(|count| count >= 2));
        call_all();
        // Not `getppid`.
        ensure!(counter.read()? == 2, "{}", counter.read()?);
        drop(link);
    }
    let nothing = problem(KprobeMultiAttach::matching(When::Entry, "notify_die"))?;
    ensure!(matches!(
        nothing,
        KernelFunctionProblem::NothingMatches { .. }
    ));
    Ok(())
}

fn by_closure_with_cookies(sandbox: &Sandbox) -> Result<()> {
    let (program, sum) = adding(Hook::KPROBE_MULTI)?;
    let kernel = KernelFunctions::traceable_in(sandbox.tracefs()?)?;
    let calls = ["getuid", "getgid", "getppid"].map(|name| kernel.syscall(name));
    let [a, b, c] = calls;
    let calls = [a?, b?, c?];
    let picked = kernel.functions_where(|function| calls.contains(function))?;
    ensure!(picked.len() == calls.len(), "{picked:?}");
    let to: KprobeMultiAttach<'static> = KprobeMultiAttach::to_functions(When::Entry, &picked);
    drop((kernel, picked));
    let link = to.cookies(SUMMANDS).attach(&program)?;
    call_all();
    ensure!(sum.read()? == SUM, "{}", sum.read()?);
    ensure_count(&link, calls.len())
}

/// Each of them is attached to, and what cannot be traced is left out.
fn all_of_a_wide_pattern(sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::KPROBE_MULTI)?;
    let kernel = KernelFunctions::traceable_in(sandbox.tracefs()?)?;
    let all = KernelFunctions::all()?.functions_matching("*clock*")?;
    let traceable = kernel.functions_matching("*clock*")?;
    ensure!(
        traceable.len() > 100 && traceable.len() < all.len(),
        "{}",
        traceable.len()
    );
    let link = KprobeMultiAttach::to_functions(When::Entry, &traceable).attach(&program)?;
    ensure_count(&link, traceable.len())?;
    drop(link);
    let refused = KprobeMultiAttach::to_functions(When::Entry, &all);
    let refused = refused.tracefs(sandbox.tracefs()?).attach(&program);
    ensure!(
        matches!(refused, Err(Error::AddressNotTraceable { .. })),
        "{refused:?}"
    );
    Ok(())
}

fn both_of_one_name(sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::KPROBE_MULTI)?;
    let kernel = KernelFunctions::traceable_in(sandbox.tracefs()?)?;
    let (name, addresses) = listed::of_two(sandbox.tracefs()?)?;
    let both = kernel.functions_matching(name.to_str()?)?;
    let link = KprobeMultiAttach::to_functions(When::Entry, both).attach(&program)?;
    ensure_count(&link, 2)?;
    if let Some(found) = link
        .info()?
        .addresses
        .as_ref()
        .and_then(|found| found.as_ref().visible())
    {
        let mut found = found.clone();
        found.sort_unstable();
        ensure!(found == addresses, "{found:x?}");
    }
    Ok(())
}

fn of_a_module(sandbox: &Sandbox) -> Result<()> {
    // It loads the module.
    make_a_pair()?;
    let kernel = KernelFunctions::traceable_in(sandbox.tracefs()?)?;
    let of_module = kernel.functions_matching("veth:*")?;
    let is_of_module = |module: &Option<String>| module.as_deref() == Some("veth");
    ensure!(
        of_module
            .iter()
            .all(|function| is_of_module(&function.module)),
        "{of_module:?}"
    );
    let (program, counter) = counting()?;
    let to = KprobeMultiAttach::to_functions(
        When::Entry,
        kernel.functions_matching("veth:veth_dev_ini?")?,
    );
    let link = to.attach(&program)?;
    ensure_count(&link, 1)?;
    make_a_pair()?;
    ensure!(counter.read()? == 2, "{}", counter.read()?);
    drop(link);
    let link = KprobeMultiAttach::to_functions(When::Entry, &of_module).attach(&program)?;
    ensure_count(&link, of_module.len())
}

/// By name, and not by one that several have.
fn where_addresses_are_hidden(sandbox: &Sandbox) -> Result<()> {
    let (program, counter) = counting()?;
    let tracefs = sandbox.tracefs()?;
    let (twice, _) = listed::of_two(tracefs)?;
    with_hidden_addresses(|| {
        let kernel = KernelFunctions::traceable_in(tracefs)?;
        let functions = kernel.functions_matching("__*_sys_get?id")?;
        let link = KprobeMultiAttach::to_functions(When::Entry, &functions).attach(&program)?;
        call_all();
        ensure!(counter.read()? >= 1, "{}", counter.read()?);
        ensure_count(&link, functions.len())?;
        let both = kernel.functions_matching(twice.to_str()?)?;
        let refused = KprobeMultiAttach::to_functions(When::Entry, &both).attach(&program);
        ensure!(
            matches!(refused, Err(Error::AmbiguousSymbol { .. })),
            "{refused:?}"
        );
        Ok(())
    })
}
