//! The programs of an event, and of its tracepoint, with a link and without one.

use anyhow::{Result, ensure};
use bpf_link::{
    Error, ProgramId, RawLink, RawTracepointOpen, perf_event_program, tracepoint_programs,
};
use bpf_link_tests::{Hook, PerfEvent, Program, Sandbox, sys};

use super::{request, tracepoint};
use crate::fixture::{ENOTSUPP, as_nobody, ensure_refused};
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(of_an_event).needs(Need::PERF_EVENT),
    test!(of_a_raw_tracepoint),
    test!(in_a_table_of_its_own).needs(Need::PERF_EVENT),
    test!(of_a_tracepoint).needs(Need::PERF_EVENT).alone(),
];

fn of_an_event(sandbox: &Sandbox) -> Result<()> {
    let event = tracepoint(sandbox)?;
    ensure!(perf_event_program(&event)?.is_none());
    let program = Program::passing(Hook::TRACEPOINT)?;
    let link = RawLink::create(&request(&event, &program))?;
    let found = perf_event_program(&event)?;
    ensure!(found == ProgramId::new(program.id()?), "{found:?}");
    drop(link);
    ensure!(perf_event_program(&event)?.is_none());

    let clock = PerfEvent::page_fault()?;
    ensure!(perf_event_program(&clock)?.is_none());
    let program = Program::passing(Hook::PERF_EVENT)?;
    let _link = RawLink::create(&request(&clock, &program))?;
    ensure_refused!(
        perf_event_program(&clock),
        Error::Command(_),
        Some(libc::EOPNOTSUPP)
    );
    ensure_refused!(
        perf_event_program(&program),
        Error::Command(_),
        Some(ENOTSUPP)
    );
    as_nobody(|| {
        ensure_refused!(
            perf_event_program(&event),
            Error::PermissionDenied(_),
            Some(libc::EPERM)
        );
        Ok(())
    })
}

/// Whose link is not a perf event.
fn of_a_raw_tracepoint(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::RAW_TRACEPOINT)?;
    let open = RawTracepointOpen::named(&program, c"sys_enter")?;
    let link = RawLink::open_raw_tracepoint(&open)?;
    let found = perf_event_program(&link)?;
    ensure!(found == ProgramId::new(program.id()?), "{found:?}");
    ensure_refused!(
        tracepoint_programs(&link),
        Error::Command(_),
        Some(libc::ENOTTY)
    );
    Ok(())
}

/// A thread with a table of descriptors of its own, in which the event's number is not that of
/// another file in the table of the process.
fn in_a_table_of_its_own(_sandbox: &Sandbox) -> Result<()> {
    sys::with_own_descriptors(
        |_| {
            let event = PerfEvent::page_fault()?;
            let program = Program::passing(Hook::PERF_EVENT)?;
            let _link = RawLink::create(&request(&event, &program))?;
            ensure_refused!(
                perf_event_program(&event),
                Error::Command(_),
                Some(libc::EOPNOTSUPP)
            );
            Ok(())
        },
        &[],
    )?
}

fn of_a_tracepoint(sandbox: &Sandbox) -> Result<()> {
    let events = [tracepoint(sandbox)?, tracepoint(sandbox)?];
    ensure!(tracepoint_programs(&events[0])?.is_empty());
    let programs = [
        Program::passing(Hook::TRACEPOINT)?,
        Program::passing(Hook::TRACEPOINT)?,
    ];
    let link = RawLink::create(&request(&events[0], &programs[0]))?;
    events[1].set_program(&programs[1])?;
    let ids = [programs[0].id()?, programs[1].id()?].map(ProgramId::new);
    for event in &events {
        let found = tracepoint_programs(event)?;
        ensure!(
            found.iter().copied().map(Some).eq(ids),
            "{found:?}, not {ids:?}"
        );
    }
    drop(link);
    let found = tracepoint_programs(&events[0])?;
    ensure!(found.iter().copied().map(Some).eq([ids[1]]), "{found:?}");

    ensure_refused!(
        tracepoint_programs(&PerfEvent::page_fault()?),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    ensure_refused!(
        tracepoint_programs(&programs[0]),
        Error::Command(_),
        Some(libc::ENOTTY)
    );
    as_nobody(|| {
        ensure_refused!(
            tracepoint_programs(&events[0]),
            Error::PermissionDenied(_),
            Some(libc::EPERM)
        );
        Ok(())
    })
}
