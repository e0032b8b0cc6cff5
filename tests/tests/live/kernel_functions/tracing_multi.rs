//! `tracing_multi` links on functions that match a pattern.

use std::collections::HashSet;

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::mounted::mount_tracefs;
use bpf_link_tests::{CounterMap, Hook, Loader, Program, Sandbox};
use bpf_link_typed::attach::When;
use bpf_link_typed::{Attach as _, KernelFunctionProblem, TracingMultiAttach, ensure::Outcome};

use super::problem;
use crate::fixture::attaching::since;
use crate::functions::test::{FUNCTIONS, call_test_functions, function_id};
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(by_pattern).needs(Need::TRACING_MULTI).minutes(10),
    test!(what_cannot_be_attached_to)
        .needs(Need::TRACING_MULTI)
        .minutes(10),
    test!(taken_over_by_pattern)
        .needs(Need::TRACING_MULTI)
        .minutes(10),
];

/// Where tracefs usually is.
fn by_pattern(_sandbox: &Sandbox) -> Result<()> {
    mount_tracefs()?;
    for (hook, when) in [
        (Hook::FENTRY_MULTI, When::Entry),
        (Hook::FEXIT_MULTI, When::Return),
    ] {
        let counter = CounterMap::new()?;
        let loader = Loader::new(hook).in_this_process();
        let program = loader.counting(&counter).passing()?;
        let link = TracingMultiAttach::matching(when, "bpf_fentry_test?")?.attach(&program)?;
        let before = counter.read()?;
        call_test_functions()?;
        let runs = counter.read()? - before;
        ensure!((3..=9).contains(&runs), "{runs}");
        let info = link.info()?;
        ensure!(info.count.is_none_or(|count| u64::from(count) >= runs));
        for function in FUNCTIONS {
            let id = function_id(function)?.get();
            ensure!(info.ids.as_ref().is_none_or(|ids| ids.contains(&id)));
        }
    }
    let nothing = problem(TracingMultiAttach::matching(
        When::Entry,
        "no_such_function_*",
    ))?;
    let pattern = "no_such_function_*".to_owned();
    ensure!(nothing == KernelFunctionProblem::NothingMatches { pattern });
    Ok(())
}

/// The kernel takes all that is left.
fn what_cannot_be_attached_to(_sandbox: &Sandbox) -> Result<()> {
    mount_tracefs()?;
    for (hook, when, pattern, there, left_out) in [
        (
            Hook::FENTRY_MULTI,
            When::Entry,
            "do_e*",
            Some("do_exit"),
            None,
        ),
        (
            Hook::FEXIT_MULTI,
            When::Return,
            "do_e*",
            None,
            Some("do_exit"),
        ),
        // It returns a structure.
        (
            Hook::FENTRY_MULTI,
            When::Entry,
            "current_*",
            None,
            Some("current_time"),
        ),
        (
            Hook::FENTRY_MULTI,
            When::Entry,
            "migrate_*",
            None,
            Some("migrate_disable"),
        ),
        (
            Hook::FEXIT_MULTI,
            When::Return,
            "vfs_re*",
            Some("vfs_read"),
            None,
        ),
        (
            Hook::FEXIT_MULTI,
            When::Return,
            "__x64_sys_e*",
            Some("__x64_sys_execve"),
            Some("__x64_sys_exit_group"),
        ),
        // Arguments that vary.
        (
            Hook::FENTRY_MULTI,
            When::Entry,
            "*printk*",
            None,
            Some("_printk"),
        ),
    ] {
        let program = Program::passing(hook)?;
        let link = TracingMultiAttach::matching(when, pattern)?
            .attach(&program)
            .with_context(|| format!("{when:?} of {pattern}"))?;
        let Some(ids) = link.info()?.ids else {
            ensure!(since(7, 3, ())?.is_none());
            continue;
        };
        let ids: HashSet<u32> = ids.into_iter().collect();
        ensure!(!ids.is_empty(), "{pattern}");
        if let Some(there) = there {
            ensure!(ids.contains(&function_id(there)?.get()), "{there}");
        }
        if let Some(id) = left_out.and_then(|name| function_id(name).ok()) {
            ensure!(!ids.contains(&id.get()), "{left_out:?}");
        }
    }
    Ok(())
}

fn taken_over_by_pattern(sandbox: &Sandbox) -> Result<()> {
    mount_tracefs()?;
    let program = Program::passing(Hook::FENTRY_MULTI)?;
    let pin = sandbox.bpffs().join("pin");
    let run = |pattern| {
        let to = TracingMultiAttach::matching(When::Entry, pattern)?;
        to.ensure_pinned(&pin).run(&program)
    };
    ensure!(run("bpf_fentry_test?")?.outcome == Outcome::Created);
    let again = run("bpf_fentry_test?")?;
    // Before 7.3 the kernel does not tell where the link is.
    let is_kept = again.outcome == Outcome::AlreadyRunning;
    ensure!(is_kept == since(7, 3, ())?.is_some(), "{again:?}");
    drop(again);
    let mut other = run("bpf_fentry_test1")?;
    ensure!(
        matches!(other.outcome, Outcome::Replaced { .. }),
        "{other:?}"
    );
    Ok(other.link.unpin()?)
}
