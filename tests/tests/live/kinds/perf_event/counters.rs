//! Counters by name, by period and by frequency, and what is refused of them.

use anyhow::{Context as _, Result, ensure};
use bpf_link_sys::PERF_TYPE_MAX;
use bpf_link_tests::{CounterMap, Hook, Program, Sandbox, eventually_holds, processors};
use bpf_link_typed::{
    Attach as _, CountedEvent, CounterEvent, Error, HardwareEvent, LinkSet, PerfEventAttach,
    PerfEventDetails, SampleRateProblem, SoftwareEvent, TracepointEvent,
    ensure::{Outcome, Why},
};
use rustix::mount::{UnmountFlags, mount_bind, unmount};

use super::use_new_memory;
use crate::ensure::end::{ensure_nothing_left, ensure_one_link_and_pin, our_links};
use crate::fixture::attaching::{counting, counts, ensure_error, since, stops, switch};
use crate::fixture::chain::check_refusal;
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(by_name).needs(Need::PERF_EVENT),
    test!(each_time_and_each_tenth_time).needs(Need::PERF_EVENT),
    test!(few_times_in_a_second_and_many).needs(Need::PERF_EVENT),
    test!(of_the_hardware).needs(Need::PERF_EVENT),
    test!(over_restarts)
        .needs(Need::PERF_EVENT)
        .also_needs(&[Need::Member("bpf_link_info", "perf_event")]),
    test!(periods_and_frequencies_that_are_refused).needs(Need::PERF_EVENT),
    test!(what_the_kernel_refuses).needs(Need::PERF_EVENT),
    test!(an_offline_processor)
        .needs(Need::PERF_EVENT)
        .also_needs(&[Need::OfflineProcessor]),
];

const MAX_RATE: &str = "/proc/sys/kernel/perf_event_max_sample_rate";

/// The highest frequency that the kernel takes.
fn max_rate() -> Result<u64> {
    let limit = std::fs::read_to_string(MAX_RATE).context(MAX_RATE)?;
    Ok(limit.trim().parse()?)
}

/// A period that comes soon.
fn soon(event: CountedEvent) -> u64 {
    match event {
        CountedEvent::Software(SoftwareEvent::CpuClock | SoftwareEvent::TaskClock) => 100_000,
        _ => 1,
    }
}

/// What this thread does that counts.
fn be_busy() -> Result<()> {
    use_new_memory();
    switch()
}

fn by_name(_sandbox: &Sandbox) -> Result<()> {
    let (program, counter) = counting(Hook::PERF_EVENT)?;
    for name in [
        "cpu-clock",
        "task-clock",
        "page-faults",
        "minor-faults",
        "context-switches",
    ] {
        let event: CountedEvent = name.parse()?;
        ensure!(event.to_string() == name);
        let here = CounterEvent::with_period(event, soon(event)).thread(0);
        let link = PerfEventAttach::to(here).attach(&program)?;
        eventually_holds(name, || counts(&counter, be_busy))?;
        if since(6, 6, ())?.is_some() {
            let PerfEventDetails::Event(found) = link.info()?.event else {
                anyhow::bail!("{link:?}");
            };
            if name.ends_with("-clock") {
                ensure!(found.event_type >= PERF_TYPE_MAX && found.config == event.config());
            } else {
                ensure!(found.event() == event, "{found:?}");
            }
        }
        drop(link);
        stops(&counter, be_busy)?;
    }
    Ok(())
}

/// A counter of this thread, and what counts how often its program has run.
fn of_this_thread(event: CounterEvent) -> Result<(bpf_link_typed::PerfEventLink, CounterMap)> {
    let (program, counter) = counting(Hook::PERF_EVENT)?;
    let link = PerfEventAttach::to(event.thread(0)).attach(&program)?;
    Ok((link, counter))
}

fn each_time_and_each_tenth_time(_sandbox: &Sandbox) -> Result<()> {
    let switches = |period| {
        let event = CounterEvent::with_period(SoftwareEvent::ContextSwitches, period);
        of_this_thread(event)
    };
    let (_one, each) = switches(1)?;
    let (_ten, tenth) = switches(10)?;
    // A pause that is over before the thread has been switched does not count.
    eventually_holds("a hundred switches", || {
        switch()?;
        Ok(each.read()? >= 100)
    })?;
    // The thread may be switched in between.
    let (before, tenth, after) = (each.read()?, tenth.read()?, each.read()?);
    let expected = (before / 10).saturating_sub(1)..=after / 10 + 1;
    ensure!(expected.contains(&tenth), "{tenth} of {before} to {after}");
    Ok(())
}

fn few_times_in_a_second_and_many(_sandbox: &Sandbox) -> Result<()> {
    let clock = |hertz| {
        let event = CounterEvent::with_frequency(SoftwareEvent::TaskClock, hertz);
        of_this_thread(event)
    };
    let (_slow, slow) = clock(20)?;
    let (_fast, fast) = clock(200)?;
    eventually_holds("a fifth of a second", || {
        std::hint::black_box((0..100_000).sum::<u64>());
        Ok(slow.read()? >= 4)
    })?;
    let (slow, fast) = (slow.read()?, fast.read()?);
    // The next of the slow ones may be due, and an emulated processor may come late to some.
    let expected = 2 * slow + 1..=12 * (slow + 1);
    ensure!(expected.contains(&fast), "{slow} and {fast}");
    // The kernel adapts the period, beginning with 1.
    let event = CounterEvent::with_frequency(SoftwareEvent::ContextSwitches, 1000);
    let (_link, counter) = of_this_thread(event)?;
    eventually_holds("a switch", || counts(&counter, switch))
}

/// Where the machine does not count the event, the error says so.
fn of_the_hardware(_sandbox: &Sandbox) -> Result<()> {
    let (program, counter) = counting(Hook::PERF_EVENT)?;
    let cycles: CountedEvent = "cycles".parse()?;
    ensure!(cycles == HardwareEvent::CpuCycles.into());
    let misses: CountedEvent = "L1-dcache-load-misses".parse()?;
    let period = |event| if event == misses { 1_000 } else { 100_000 };
    let attach = |event| {
        let here = CounterEvent::with_period(event, period(event)).thread(0);
        PerfEventAttach::to(here).attach(&program)
    };
    if has_counters()? {
        let link = attach(cycles)?;
        eventually_holds("100,000 cycles", || counts(&counter, be_busy))?;
        if let PerfEventDetails::Event(found) = link.info()?.event {
            ensure!(found.event() == cycles, "{found:?}");
        }
        drop(link);
        // Not every processor counts this one.
        match attach(misses) {
            Ok(link) => {
                eventually_holds("1,000 misses", || counts(&counter, be_busy))?;
                if let PerfEventDetails::Event(found) = link.info()?.event {
                    ensure!(found.event() == misses, "{found:?}");
                }
            }
            Err(Error::EventNotCounted { event, .. }) => ensure!(event == misses),
            Err(error) => return Err(error.into()),
        }
        return Ok(());
    }
    for event in [cycles, misses] {
        let refused = attach(event);
        ensure!(
            matches!(&refused, Err(Error::EventNotCounted { event: named, .. }) if *named == event)
        );
        ensure_error!(
            refused,
            Error::EventNotCounted { .. },
            Some(libc::ENOENT),
            &[&event.to_string()]
        );
    }
    Ok(())
}

/// Whether the machine counts cycles, by what the processors of each architecture are called.
fn has_counters() -> Result<bool> {
    for device in std::fs::read_dir("/sys/bus/event_source/devices")? {
        let name = device?.file_name();
        let is_counted = name.to_str().is_some_and(|name| {
            ["cpu", "cpu_core", "cpum_cf"].contains(&name) || name.starts_with("armv8_")
        });
        if is_counted {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A link on another event is told apart, and what the kernel does not report is said.
fn over_restarts(sandbox: &Sandbox) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    let program = Program::passing(Hook::PERF_EVENT)?;
    let run = |event: SoftwareEvent, keep: bool| {
        let here = PerfEventAttach::to(CounterEvent::with_period(event, 100_000).thread(0));
        let to = here.ensure_pinned(&pin);
        let to = if keep { to.keep_unreported() } else { to };
        let outcome = to.run(&program)?.outcome;
        ensure_one_link_and_pin(sandbox, &pin)?;
        anyhow::Ok(outcome)
    };
    let replaced = |outcome, expected| {
        let is_so = matches!(outcome, Outcome::Replaced { why, gap: false, .. } if why == expected);
        ensure!(is_so, "{outcome:?}");
        Ok(())
    };
    ensure!(run(SoftwareEvent::PageFaults, true)? == Outcome::Created);
    for event in [
        SoftwareEvent::TaskClock,
        SoftwareEvent::CpuClock,
        SoftwareEvent::PageFaults,
    ] {
        replaced(run(event, true)?, Why::OtherHook)?;
        ensure!(run(event, true)? == Outcome::AlreadyRunning, "{event}");
        replaced(run(event, false)?, Why::NotReported)?;
    }
    std::fs::remove_file(&pin)?;
    ensure_nothing_left(sandbox)
}

/// Before the kernel is asked, by whichever way a counter is attached.
/// The kernel lowers the limit itself where its samples take long.
fn periods_and_frequencies_that_are_refused(sandbox: &Sandbox) -> Result<()> {
    loop {
        let limit = max_rate()?;
        let checked = check_refused(sandbox, limit);
        if limit == max_rate()? {
            return checked;
        }
    }
}

fn check_refused(sandbox: &Sandbox, limit: u64) -> Result<()> {
    let program = Program::passing(Hook::PERF_EVENT)?;
    let period = |period| CounterEvent::with_period(SoftwareEvent::PageFaults, period);
    let frequency = |hertz| CounterEvent::with_frequency(SoftwareEvent::PageFaults, hertz);
    let longest = i64::MAX.unsigned_abs();
    for (event, words) in [
        (period(0), [longest.to_string(), "0".to_owned()]),
        (
            period(longest + 1),
            [longest.to_string(), (longest + 1).to_string()],
        ),
        (frequency(0), [limit.to_string(), "0".to_owned()]),
        (
            frequency(limit + 1),
            [limit.to_string(), (limit + 1).to_string()],
        ),
        (
            frequency(u64::MAX),
            [limit.to_string(), u64::MAX.to_string()],
        ),
    ] {
        let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
        words.push("perf event page-faults of the calling thread");
        let to = PerfEventAttach::to(event.thread(0));
        let attached = check_refusal(to.attach(&program), &words)?;
        let pin = sandbox.bpffs().join("pin");
        let pinned = check_refusal(to.clone().ensure_pinned(&pin).run(&program), &words)?;
        for error in [attached, pinned] {
            ensure!(error.errno().is_none(), "{error:?}");
            let names_limit = match error {
                Error::SampleRate(SampleRateProblem::Period { limit, .. }) => limit == longest,
                Error::SampleRate(SampleRateProblem::Frequency { limit: told, .. }) => {
                    told == Some(limit)
                }
                _ => false,
            };
            ensure!(names_limit, "{event:?}");
        }
        let mut set = LinkSet::in_dir(sandbox.bpffs().join("set")).create_dir(0o700);
        set.add("counter", to, &program)?;
        let refused = set.apply().err().context("it was not refused")?;
        ensure!(matches!(refused, Error::SetNotApplied(_)), "{refused:?}");
    }
    for event in [period(longest), frequency(1), frequency(limit)] {
        drop(PerfEventAttach::to(event.thread(0)).attach(&program)?);
    }
    ensure_nothing_left(sandbox)
}

fn what_the_kernel_refuses(sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::PERF_EVENT)?;
    let attach = |event: CounterEvent| PerfEventAttach::to(event).attach(&program);
    let faults = CounterEvent::with_period(SoftwareEvent::PageFaults, 1);
    ensure_error!(
        attach(faults.thread(i32::MAX.unsigned_abs())),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::ESRCH),
        &["page-faults of thread 2147483647"]
    );
    // There is no such processor.
    ensure_error!(
        attach(faults.processor(i32::MAX.unsigned_abs())),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EINVAL),
        &["page-faults on processor 2147483647"]
    );
    let other = CountedEvent::from_raw(u32::MAX, 0);
    ensure_error!(
        attach(CounterEvent::with_period(other, 1)),
        Error::EventNotCounted { .. },
        Some(libc::ENOENT),
        &["type 4294967295", "on processor 0"]
    );
    let unknown = SoftwareEvent::Unknown(4711);
    ensure_error!(
        attach(CounterEvent::with_period(unknown, 1)),
        Error::EventNotCounted { .. },
        Some(libc::ENOENT),
        &["0x1267", "on processor 0"]
    );
    // The limit is not what procfs says.
    let limit = max_rate()?;
    let instead = sandbox.directory().join("rate");
    std::fs::write(&instead, (limit + 1).to_string())?;
    mount_bind(&instead, MAX_RATE)?;
    let too_fast = CounterEvent::with_frequency(SoftwareEvent::PageFaults, limit + 1);
    let refused = attach(too_fast.thread(0));
    unmount(MAX_RATE, UnmountFlags::empty())?;
    ensure_error!(
        refused,
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EINVAL),
        &["page-faults of the calling thread"]
    );
    let mut set = LinkSet::in_dir(sandbox.bpffs().join("set"));
    let switches = TracepointEvent::new("sched", "sched_switch");
    let refused = set.add_each_processor("cpu", PerfEventAttach::to(switches), &program);
    let refused = check_refusal(refused, &["tracepoint sched:sched_switch"])?;
    ensure!(matches!(refused, Error::NotACounter(_)), "{refused:?}");
    ensure!(our_links()?.is_empty());
    Ok(())
}

fn an_offline_processor(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::PERF_EVENT)?;
    let number = processors::offline()?.context("there is one")?;
    let clock = CounterEvent::with_frequency(SoftwareEvent::CpuClock, 99).processor(number);
    let refused = PerfEventAttach::to(clock).attach(&program);
    ensure!(
        matches!(&refused, Err(Error::ProcessorOffline { processor, .. }) if *processor == number)
    );
    ensure_error!(
        refused,
        Error::ProcessorOffline { .. },
        Some(libc::ENODEV),
        &[&format!("processor {number}")]
    );
    Ok(())
}
