//! Which threads a counter counts.

use std::hint::black_box;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::{CounterMap, Hook, Program, Sandbox, eventually_holds};
use bpf_link_typed::{CounterEvent, Error, PerfEventAttach, PerfEventLink, SoftwareEvent};
use rustix::thread::{gettid, sched_getaffinity};

use super::use_new_memory;
use crate::fixture::attaching::{counting, counts, ensure_error};
use crate::harness::role::{self, role};
use crate::harness::{Need, Role, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(which_threads_are_counted)
        .needs(Need::PERF_EVENT)
        .minutes(20),
    test!(which_processes_are_counted).needs(Need::PERF_EVENT),
    test!(an_event_for_each_processor)
        .needs(Need::PERF_EVENT)
        .alone(),
];

pub(crate) const ROLES: &[Role] = &[role!(faulting)];

/// Uses new memory whenever it is told to.
fn faulting(_arguments: &[String]) -> Result<()> {
    while role::listen()?.is_some() {
        use_new_memory();
        role::say("used")?;
    }
    Ok(())
}

/// Each page fault.
fn page_faults() -> CounterEvent {
    CounterEvent::with_period(SoftwareEvent::PageFaults, 1)
}

fn attach(events: &[CounterEvent], program: &Program) -> Result<Vec<PerfEventLink>> {
    let attached = events
        .iter()
        .map(|event| PerfEventAttach::to(*event).attach(program));
    Ok(attached.collect::<Result<_, _>>()?)
}

fn thread_id() -> u32 {
    gettid().as_raw_nonzero().get().unsigned_abs()
}

/// Whether the page faults are counted of the thread that calls this. Another thread that is
/// counted may have some in the meantime, but not each time.
fn counts_here(counter: &CounterMap) -> Result<bool> {
    for _ in 0..10 {
        let count = counts(counter, || {
            use_new_memory();
            Ok(())
        });
        if !count? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether the faults are counted of the calling thread, of one that there was before, and of one
/// that it starts now.
fn counted(counter: &CounterMap, earlier: &dyn Fn() -> Result<bool>) -> Result<[bool; 3]> {
    let here = counts_here(counter)?;
    let later = std::thread::scope(|scope| {
        let later = scope.spawn(|| counts_here(counter));
        later.join().ok().context("the thread has panicked")
    })??;
    Ok([here, earlier()?, later])
}

fn which_threads_are_counted(_sandbox: &Sandbox) -> Result<()> {
    let (program, counter) = counting(Hook::PERF_EVENT)?;
    let (ask, asked) = mpsc::channel::<()>();
    let (answer, answers) = mpsc::channel();
    std::thread::scope(|scope| {
        let counter = &counter;
        scope.spawn(move || {
            let sent = answer.send(Ok(false));
            for () in asked {
                let found = counts_here(counter);
                if answer.send(found).is_err() {
                    break;
                }
            }
            sent
        });
        // The thread ends when this does, also after a failure.
        let ask = ask;
        // It is there.
        answers.recv()??;
        let earlier = || {
            ask.send(())?;
            answers.recv()?
        };
        let this = page_faults().thread(thread_id());
        for (event, expected) in [
            (this, [true, false, false]),
            (page_faults().thread(0), [true, false, false]),
            (this.inherit_threads(), [true, false, true]),
            (this.inherit(), [true, false, true]),
        ] {
            let links = attach(&[event], &program)?;
            let found = counted(counter, &earlier)?;
            ensure!(found == expected, "{event:?}: {found:?}");
            drop(links);
        }
        for (event, later) in [
            (page_faults(), false),
            (page_faults().inherit_threads(), true),
        ] {
            for process in [0, std::process::id()] {
                let links = attach(&event.each_thread(process)?, &program)?;
                ensure!(links.len() >= 2, "{links:?}");
                let found = counted(counter, &earlier)?;
                ensure!(found == [true, true, later], "{event:?}: {found:?}");
            }
        }
        let found = counted(counter, &earlier)?;
        ensure!(found == [false; 3], "without a link: {found:?}");
        drop(ask);
        anyhow::Ok(())
    })?;
    ensure_error!(
        page_faults().each_thread(1 << 30),
        Error::File { .. },
        Some(libc::ENOENT),
        &["/proc/1073741824"]
    );
    Ok(())
}

/// Of the processes that a thread starts.
fn which_processes_are_counted(_sandbox: &Sandbox) -> Result<()> {
    let (program, counter) = counting(Hook::PERF_EVENT)?;
    for (event, expected) in [
        (page_faults().thread(0), false),
        (page_faults().thread(0).inherit_threads(), false),
        (page_faults().thread(0).inherit(), true),
    ] {
        let (starts, started) = mpsc::channel();
        let (end, until_the_end) = mpsc::channel::<()>();
        let program = &program;
        let found = std::thread::scope(|scope| {
            // The thread that is counted does nothing after it has started the process, which would
            // end with it.
            scope.spawn(move || {
                let start = || {
                    let link = PerfEventAttach::to(event).attach(program)?;
                    anyhow::Ok((role!(faulting).start(&[])?, link))
                };
                let sent = starts.send(start());
                let ended = until_the_end.recv();
                (sent.is_ok(), ended.is_ok())
            });
            let (mut player, link) = started.recv()??;
            // It may still be on its way to the end, through code that was never used before.
            eventually_holds("the thread waits", || {
                let pause = || {
                    std::thread::sleep(Duration::from_millis(20));
                    Ok(())
                };
                Ok(!counts(&counter, pause)?)
            })?;
            let found = counts(&counter, || {
                player.tell("use")?;
                ensure!(player.hear()? == "used");
                Ok(())
            });
            player.finish()?;
            drop((link, end));
            found
        })?;
        ensure!(found == expected, "{event:?}: {found}");
    }
    Ok(())
}

fn an_event_for_each_processor(_sandbox: &Sandbox) -> Result<()> {
    let (program, counter) = counting(Hook::PERF_EVENT)?;
    let clock = CounterEvent::with_period(SoftwareEvent::CpuClock, 1_000_000);
    let events = clock.each_processor()?;
    let ours = sched_getaffinity(None)?.count();
    ensure!(u32::try_from(events.len())? >= ours, "{events:?}");
    for link in attach(&events, &program)? {
        let before = counter.read()?;
        eventually_holds("a tick", || {
            black_box(&link);
            Ok(counter.read()? > before)
        })?;
    }
    // Of this thread only, wherever it runs.
    let faults = page_faults().thread(0).each_processor()?;
    let links = attach(&faults, &program)?;
    ensure!(counts_here(&counter)?);
    drop(links);
    ensure!(!counts_here(&counter)?);
    Ok(())
}
