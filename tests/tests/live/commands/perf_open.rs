//! Perf events: opened, disabled and enabled, and what cannot be opened.

use std::ffi::CString;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{AttachType, Error, LinkCreate, PerfEvent, PerfEventConfig, RawLink};
use bpf_link_sys::{PERF_COUNT_SW_CPU_CLOCK, PERF_TYPE_SOFTWARE, PERF_TYPE_TRACEPOINT};
use bpf_link_tests::{CounterMap, Hook, Program, Sandbox, eventually_holds};

use crate::fixture::{as_nobody, ensure_refused, refusal};
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(the_link_outlives_the_descriptor).needs(Need::PERF_EVENT),
    test!(a_counter_runs_its_program_unless_disabled).needs(Need::PERF_EVENT),
    test!(a_tracepoint_runs_its_program_also_if_disabled).needs(Need::PERF_EVENT),
    test!(what_cannot_be_opened),
    test!(a_function_that_there_is_not).needs(&[Need::Function("register_kprobe")]),
    test!(it_takes_a_privilege),
];

/// The event of the tracepoint `sched:sched_switch`, in this thread.
fn switches(sandbox: &Sandbox) -> Result<PerfEvent> {
    let id = sandbox.tracefs()?.join("events/sched/sched_switch/id");
    let id: u64 = std::fs::read_to_string(id)?.trim().parse()?;
    let config = PerfEventConfig::new(PERF_TYPE_TRACEPOINT, id).process(0);
    Ok(PerfEvent::open(&config)?)
}

fn link(event: &PerfEvent, program: &Program) -> Result<RawLink> {
    let request = LinkCreate::new(program, AttachType::PerfEvent).target_fd(event);
    Ok(RawLink::create(&request)?)
}

/// Whether the program runs when this thread gives way.
fn runs(counter: &CounterMap) -> Result<bool> {
    let before = counter.read()?;
    for _ in 0..100 {
        std::thread::sleep(std::time::Duration::from_micros(10));
    }
    Ok(counter.read()? > before)
}

fn the_link_outlives_the_descriptor(sandbox: &Sandbox) -> Result<()> {
    let counter = CounterMap::new()?;
    let program = Program::counting(Hook::TRACEPOINT, &counter)?;
    let event = switches(sandbox)?;
    let link = link(&event, &program)?;
    ensure!(runs(&counter)?);
    drop(event);
    ensure!(runs(&counter)?, "closing the event stopped the program");
    drop(link);
    eventually_holds("the program has stopped", || Ok(!runs(&counter)?))
}

fn a_counter_runs_its_program_unless_disabled(_sandbox: &Sandbox) -> Result<()> {
    let counter = CounterMap::new()?;
    let program = Program::counting(Hook::PERF_EVENT, &counter)?;
    let clock = PerfEventConfig::new(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK.into());
    let event = PerfEvent::open(&clock.sample_period(1_000_000).processor(0))?;
    let _link = link(&event, &program)?;
    let ticks = || {
        let before = counter.read()?;
        eventually_holds(
            "a millisecond of the clock",
            || Ok(counter.read()? > before),
        )
    };
    ticks()?;
    event.disable()?;
    let stopped = counter.read()?;
    std::thread::sleep(std::time::Duration::from_millis(20));
    ensure!(counter.read()? == stopped);
    event.enable()?;
    ticks()
}

fn a_tracepoint_runs_its_program_also_if_disabled(sandbox: &Sandbox) -> Result<()> {
    let counter = CounterMap::new()?;
    let program = Program::counting(Hook::TRACEPOINT, &counter)?;
    let event = switches(sandbox)?;
    let _link = link(&event, &program)?;
    event.disable()?;
    ensure!(runs(&counter)?);
    Ok(())
}

fn what_cannot_be_opened(_sandbox: &Sandbox) -> Result<()> {
    ensure_refused!(
        PerfEvent::open(&PerfEventConfig::new(u32::MAX, 0)),
        Error::Command(_),
        Some(libc::ENOENT)
    );
    ensure_refused!(
        PerfEvent::open(&PerfEventConfig::new(
            PERF_TYPE_TRACEPOINT,
            u64::from(u32::MAX)
        )),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    let clock = PerfEventConfig::new(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK.into());
    ensure_refused!(
        PerfEvent::open(&clock.process(i32::MAX.unsigned_abs())),
        Error::Command(_),
        Some(libc::ESRCH)
    );
    let longest = i64::MAX.unsigned_abs();
    PerfEvent::open(&clock.sample_period(longest))?;
    for refused in [
        clock.sample_period(longest + 1),
        clock.sample_frequency(u64::MAX),
        clock.processor(i32::MAX.unsigned_abs()),
    ] {
        ensure_refused!(
            PerfEvent::open(&refused),
            Error::Command(_),
            Some(libc::EINVAL)
        );
    }
    Ok(())
}

/// The number that the kernel has given to this PMU.
fn pmu(name: &str) -> Result<u32> {
    let file = format!("/sys/bus/event_source/devices/{name}/type");
    Ok(std::fs::read_to_string(&file)
        .context(file)?
        .trim()
        .parse()?)
}

fn a_function_that_there_is_not(_sandbox: &Sandbox) -> Result<()> {
    let name = CString::new("no_such_function_of_the_kernel")?;
    let config = PerfEventConfig::new(pmu("kprobe")?, 0).probe(&name, 0);
    ensure_refused!(
        PerfEvent::open(&config),
        Error::Command(_),
        Some(libc::ENOENT)
    );
    let real = CString::new("schedule")?;
    PerfEvent::open(&PerfEventConfig::new(pmu("kprobe")?, 0).probe(&real, 0))?;
    Ok(())
}

fn it_takes_a_privilege(_sandbox: &Sandbox) -> Result<()> {
    as_nobody(|| {
        let error = refusal(PerfEvent::open(&PerfEventConfig::new(
            PERF_TYPE_TRACEPOINT,
            1,
        )))?;
        ensure!(matches!(error, Error::PermissionDenied(_)), "{error:?}");
        ensure!([Some(libc::EACCES), Some(libc::EPERM)].contains(&error.errno()));
        Ok(())
    })
}
