//! Tracepoints that are refused: names that are paths, and programs that read too far.

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::asm::Register::{R0, R1};
use bpf_link_tests::{Hook, Loader, PerfEvent, Program, Sandbox, asm};
use bpf_link_typed::{Error, PerfEventAttach, TracepointEvent};

use crate::fixture::attaching::ensure_error;
use crate::fixture::chain::check_refusal;
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(names_that_are_paths).needs(Need::PERF_EVENT),
    test!(a_record_that_is_too_short).needs(Need::PERF_EVENT),
];

/// None of them is looked for, so none leads to another tracepoint.
fn names_that_are_paths(sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::TRACEPOINT)?;
    let tracefs = sandbox.tracefs()?;
    let absolute = tracefs.join("events/sched");
    let absolute = absolute.to_str().context("not UTF-8")?;
    for (category, name) in [
        ("../events/sched", "sched_switch"),
        ("sched", "./sched_switch"),
        ("sched", "../sched/sched_switch"),
        (".", "sched/sched_switch"),
        ("sched", ""),
        (absolute, "sched_switch"),
    ] {
        for event in [
            TracepointEvent::new(category, name).tracefs(tracefs),
            TracepointEvent::new(category, name).tracefs("/nowhere"),
        ] {
            let refused = PerfEventAttach::to(event).attach(&program);
            let Err(Error::TracepointName { tracepoint }) = &refused else {
                anyhow::bail!("{refused:?}");
            };
            ensure!(*tracepoint == format!("{category}:{name}"));
            check_refusal(refused, &[&format!("{category}:{name}")])?;
        }
    }
    // The kernel's own names are not refused.
    for category in std::fs::read_dir(tracefs.join("events"))? {
        let category = category?;
        if !category.file_type()?.is_dir() {
            continue;
        }
        for event in std::fs::read_dir(category.path())? {
            let (category, event) = (category.file_name(), event?.file_name());
            let names = category.to_str().zip(event.to_str()).context("not UTF-8")?;
            if matches!(names, (_, "enable" | "filter")) {
                continue;
            }
            // What is looked for is not there.
            let event = TracepointEvent::new(names.0, names.1).tracefs(sandbox.directory());
            ensure_error!(
                PerfEventAttach::to(event).attach(&program),
                Error::EventLookup { .. },
                Some(libc::ENOENT),
                &[&format!("tracepoint {}:{}", names.0, names.1)]
            );
        }
    }
    Ok(())
}

/// As root, with every capability.
fn a_record_that_is_too_short(sandbox: &Sandbox) -> Result<()> {
    let reading_at = |offset| {
        Loader::new(Hook::TRACEPOINT).running(&[
            asm::load(R0, R1, offset),
            asm::set(R0, 0),
            asm::exit(),
        ])
    };
    let tracefs = sandbox.tracefs()?;
    let event = TracepointEvent::new("sched", "sched_process_fork").tracefs(tracefs);
    let to = PerfEventAttach::to(event);
    let refused = to.attach(&reading_at(512)?);
    let Err(Error::ReadsBeyondRecord {
        tracepoint: Some(tracepoint),
        size: Some(size),
        ..
    }) = &refused
    else {
        anyhow::bail!("{refused:?}");
    };
    ensure!(**tracepoint == *"sched:sched_process_fork");
    let (size, words) = (*size, format!("{:?}", refused.as_ref().err()));
    ensure_error!(
        refused,
        Error::ReadsBeyondRecord { .. },
        Some(libc::EACCES),
        &["sched:sched_process_fork", &format!("{size}-byte")]
    );
    // That is where it ends: a program may read up to there, and not further.
    let last = i16::try_from(size)? - 8;
    let attached = to.attach(&reading_at(last - last % 8)?);
    drop(attached.with_context(|| words.clone())?);
    ensure_error!(
        to.attach(&reading_at(last + 8 - last % 8)?),
        Error::ReadsBeyondRecord { .. },
        Some(libc::EACCES),
        &["sched:sched_process_fork"]
    );
    // Of an event of the caller's it is not known what it is.
    let event = PerfEvent::tracepoint(sandbox, "sched", "sched_process_fork")?;
    ensure_error!(
        PerfEventAttach::to_event(&event).attach(&reading_at(512)?),
        Error::ReadsBeyondRecord {
            tracepoint: None,
            size: None,
            ..
        },
        Some(libc::EACCES),
        &["the tracepoint"]
    );
    Ok(())
}
