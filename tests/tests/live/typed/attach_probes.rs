//! Attaching through the types of the kinds: perf events, and probes in many places.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::hint::black_box;

use anyhow::{Context as _, Result, ensure};
use bpf_link_sys::{PERF_COUNT_SW_CPU_CLOCK, PERF_COUNT_SW_PAGE_FAULTS, PERF_TYPE_SOFTWARE};
use bpf_link_tests::{
    CounterMap, Hook, Loader, PerfEvent, Program, Sandbox, eventually_holds, own_code,
};
use bpf_link_typed::{
    CounterEvent, Error, FileRef, KprobeEvent, KprobeMultiAttach, KprobeMultiFlags,
    PerfEventAttach, PerfEventDetails, TracepointEvent, UprobeEvent, UprobeMultiAttach,
    UprobeMultiFlags, When,
};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::fixture::attaching::{counts, counts_switches, ensure_error, id_of, since};
use crate::functions::kernel::{CALLS, SYMBOLS, address_of, call_all};
use crate::functions::own::{call_each, counted, counters, first, offset_of, offsets};
use crate::harness::{Need, Test, test};

const UPROBES: &[Need] = &[Need::Function("uprobe_mmap")];
const KPROBES: &[Need] = &[Need::Function("register_kprobe")];

pub(crate) const TESTS: &[Test] = &[
    test!(counter).needs(Need::PERF_EVENT),
    test!(events_of_the_caller).needs(Need::PERF_EVENT),
    test!(kprobe).needs(Need::PERF_EVENT).also_needs(KPROBES),
    test!(kprobe_errors)
        .needs(Need::PERF_EVENT)
        .also_needs(KPROBES),
    test!(kprobe_multi).needs(Need::KPROBE_MULTI),
    test!(kprobe_multi_errors).needs(Need::KPROBE_MULTI),
    test!(kprobe_multi_session)
        .needs(Need::KPROBE_MULTI)
        .also_needs(&[Need::Constant(
            "bpf_attach_type",
            "BPF_TRACE_KPROBE_SESSION",
        )]),
    test!(tracepoint).needs(Need::PERF_EVENT),
    test!(uprobe)
        .needs(Need::PERF_EVENT)
        .alone()
        .also_needs(UPROBES),
    test!(uprobe_multi).needs(Need::UPROBE_MULTI).alone(),
    test!(uprobe_multi_by_descriptor)
        .needs(Need::UPROBE_MULTI)
        .alone()
        .also_needs(&[Need::Linux(7, 2)]),
    test!(uprobe_multi_errors).needs(Need::UPROBE_MULTI).alone(),
    test!(uprobe_multi_session)
        .needs(Need::UPROBE_MULTI)
        .alone()
        .also_needs(&[Need::Constant(
            "bpf_attach_type",
            "BPF_TRACE_UPROBE_SESSION",
        )]),
    test!(without_an_event_source),
];

const COOKIE: u64 = 0x0123_4567_89ab_cdef;

/// A program that adds up its cookies, in this process only.
fn adding(hook: Hook) -> Result<(Program, CounterMap)> {
    let sum = CounterMap::new()?;
    let loader = Loader::new(hook).in_this_process();
    Ok((loader.adding_cookies(&sum).passing()?, sum))
}

fn tracepoint(sandbox: &Sandbox) -> Result<()> {
    let counter = CounterMap::new()?;
    let program = Program::counting(Hook::TRACEPOINT, &counter)?;
    let tracefs = sandbox.tracefs()?;
    let event = |category, name| TracepointEvent::new(category, name).tracefs(tracefs);
    let to = PerfEventAttach::to(event("sched", "sched_switch")).cookie(COOKIE);
    let link = to.attach(&program)?;
    let info = link.info()?;
    ensure!(info.program_id == id_of(&program)?);
    if since(6, 6, ())?.is_some() {
        let PerfEventDetails::Tracepoint(tracepoint) = &info.event else {
            anyhow::bail!("{info:?}");
        };
        ensure!(tracepoint.name.as_deref() == Some(c"sched_switch"));
        ensure!(tracepoint.cookie == since(6, 9, COOKIE)?, "{info:?}");
    }
    ensure!(counts_switches(&counter)?);
    ensure_error!(
        to.attach(&program),
        Error::AlreadyAttached(_),
        Some(libc::EEXIST)
    );
    drop(link);
    ensure!(!counts_switches(&counter)?);

    for (category, name) in [("sched", "no_such"), ("no_such", "sched_switch")] {
        let refused = PerfEventAttach::to(event(category, name)).attach(&program);
        let Err(Error::NoSuchTracepoint { tracepoint, .. }) = &refused else {
            anyhow::bail!("{refused:?}");
        };
        ensure!(*tracepoint == format!("{category}:{name}"));
        ensure_error!(refused, Error::NoSuchTracepoint { .. }, Some(libc::ENOENT));
    }
    // No tracefs is there.
    let event = TracepointEvent::new("sched", "sched_switch").tracefs(sandbox.directory());
    ensure_error!(
        PerfEventAttach::to(event).attach(&program),
        Error::File { .. },
        Some(libc::ENOENT)
    );
    Ok(())
}

fn counter(_sandbox: &Sandbox) -> Result<()> {
    let counter = CounterMap::new()?;
    let program = Program::counting(Hook::PERF_EVENT, &counter)?;
    let clock = u64::from(PERF_COUNT_SW_CPU_CLOCK);
    let event = CounterEvent::new(PERF_TYPE_SOFTWARE, clock, 1_000_000).processor(0);
    let link = PerfEventAttach::to(event).cookie(COOKIE).attach(&program)?;
    let ticked = || {
        let before = counter.read()?;
        eventually_holds("a tick", || Ok(counter.read()? > before))
    };
    ticked()?;
    let info = link.info()?;
    if since(6, 6, ())?.is_some() {
        let PerfEventDetails::Event(counter) = &info.event else {
            anyhow::bail!("{info:?}");
        };
        // The kernel has another number for its clocks than the one that was asked for.
        ensure!(counter.cookie == since(6, 9, COOKIE)?, "{info:?}");
    }
    drop(link);
    // Of this thread.
    let faults = u64::from(PERF_COUNT_SW_PAGE_FAULTS);
    let event = CounterEvent::new(PERF_TYPE_SOFTWARE, faults, 1).pid(0);
    let link = PerfEventAttach::to(event).attach(&program)?;
    ensure!(counts(&counter, || {
        drop(black_box(vec![1_u8; 1 << 22]));
        Ok(())
    })?);
    drop(link);
    let event = CounterEvent::new(u32::MAX, 0, 1);
    ensure_error!(
        PerfEventAttach::to(event).attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::ENOENT)
    );
    Ok(())
}

fn events_of_the_caller(_sandbox: &Sandbox) -> Result<()> {
    let counter = CounterMap::new()?;
    let program = Program::counting(Hook::PERF_EVENT, &counter)?;
    let event = PerfEvent::clock(1_000_000)?;
    let to = PerfEventAttach::to_event(&event);
    let link = to.attach(&program)?;
    eventually_holds("a tick", || Ok(counter.read()? > 0))?;
    ensure_error!(
        to.attach(&Program::passing(Hook::PERF_EVENT)?),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EEXIST)
    );
    ensure_error!(
        PerfEventAttach::to_event(&program).attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EBADF)
    );
    drop(link);
    ensure_error!(
        to.attach(&Program::passing(Hook::KPROBE)?),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EINVAL)
    );
    Ok(())
}

fn uprobe(_sandbox: &Sandbox) -> Result<()> {
    let (program, sum) = adding(Hook::KPROBE)?;
    let (offset, [references, ..]) = (offset_of(first)?, counters()?);
    let at = UprobeEvent::at(own_code::FILE, offset);
    for on_return in [false, true] {
        let event = if on_return { at.on_return() } else { at };
        let event = event.ref_ctr_offset(references.try_into()?);
        let event = if on_return { event.pid(0) } else { event };
        let link = PerfEventAttach::to(event).cookie(5).attach(&program)?;
        let before = sum.read()?;
        call_each();
        ensure!(sum.read()? == before + 5, "{before} and {}", sum.read()?);
        ensure!(counted() == [2, 1, 1]);
        let info = link.info()?;
        if since(6, 6, ())?.is_some() {
            let (PerfEventDetails::Uprobe(probe) | PerfEventDetails::Uretprobe(probe)) =
                &info.event
            else {
                anyhow::bail!("{info:?}");
            };
            ensure!(matches!(info.event, PerfEventDetails::Uretprobe(_)) == on_return);
            let file = probe.file.as_deref().map(CStr::to_bytes);
            ensure!(file == Some(own_code::FILE.as_bytes()), "{info:?}");
            ensure!(u64::from(probe.offset) == offset, "{info:?}");
            ensure!(
                probe.ref_ctr_offset == since(6, 16, references)?,
                "{info:?}"
            );
        }
        drop(link);
        let before = sum.read()?;
        call_each();
        ensure!(sum.read()? == before && counted() == [1; 3]);
    }
    ensure_error!(
        PerfEventAttach::to(UprobeEvent::at("/no such file", 1)).attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::ENOENT)
    );
    ensure_error!(
        PerfEventAttach::to(UprobeEvent::at("/a\0b", 1)).attach(&program),
        Error::Link(bpf_link::Error::PathHasNul { .. }),
        None
    );
    Ok(())
}

fn kprobe(_sandbox: &Sandbox) -> Result<()> {
    let [symbol, ..] = SYMBOLS;
    let [call, ..] = CALLS;
    let by_name = KprobeEvent::at(symbol, 0);
    let by_address = KprobeEvent::at_address(address_of(symbol)?);
    for (event, on_return) in [
        (by_name, false),
        (by_name.on_return(), true),
        (by_address, false),
        (by_address.on_return(), true),
    ] {
        let (program, sum) = adding(Hook::KPROBE)?;
        let link = PerfEventAttach::to(event).cookie(5).attach(&program)?;
        call();
        ensure!(sum.read()? == 5, "{event:?}: {}", sum.read()?);
        let info = link.info()?;
        if since(6, 6, ())?.is_some() {
            ensure!(matches!(info.event, PerfEventDetails::Kretprobe(_)) == on_return);
            ensure!(matches!(info.event, PerfEventDetails::Kprobe(_)) != on_return);
        }
        drop(link);
        call();
        ensure!(sum.read()? == 5);
    }
    Ok(())
}

fn kprobe_errors(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::KPROBE)?;
    let refused = PerfEventAttach::to(KprobeEvent::at(c"no_such_function", 0)).attach(&program);
    let Err(Error::SymbolNotFound { symbols, .. }) = &refused else {
        anyhow::bail!("{refused:?}");
    };
    ensure!(symbols.unknown == [c"no_such_function".to_owned()]);
    ensure_error!(refused, Error::SymbolNotFound { .. }, Some(libc::ENOENT));
    Ok(())
}

/// As on a kernel that was built without kprobes.
fn without_an_event_source(_sandbox: &Sandbox) -> Result<()> {
    const SOURCES: &str = "/sys/bus/event_source/devices";
    let program = Program::passing(Hook::KPROBE)?;
    mount("tmpfs", SOURCES, "tmpfs", MountFlags::empty(), None)?;
    ensure_error!(
        PerfEventAttach::to(KprobeEvent::at(c"vfs_read", 0)).attach(&program),
        Error::NoEventSource { name: "kprobe", .. },
        Some(libc::ENOENT)
    );
    unmount(SOURCES, UnmountFlags::empty())?;
    Ok(())
}

/// What comes together of the cookies 2, 30 and 400 when each place is passed once.
const ALL: u64 = 432;
const COOKIES: &[u64] = &[2, 30, 400];

fn kprobe_multi(_sandbox: &Sandbox) -> Result<()> {
    let [a, b, c] = SYMBOLS;
    let addresses = [address_of(a)?, address_of(b)?, address_of(c)?];
    for when in [When::Entry, When::Return] {
        for to in [
            KprobeMultiAttach::to_symbols(when, &SYMBOLS),
            KprobeMultiAttach::to_addresses(when, &addresses),
        ] {
            let (program, sum) = adding(Hook::KPROBE_MULTI)?;
            let link = to.cookies(COOKIES).attach(&program)?;
            call_all();
            ensure!(sum.read()? == ALL, "{to:?}: {}", sum.read()?);
            let info = link.info()?;
            let flags = match when {
                When::Return => KprobeMultiFlags::RETURN,
                _ => KprobeMultiFlags::empty(),
            };
            ensure!(info.count == since(6, 6, 3)? && info.flags == since(6, 6, flags)?);
            if let Some(mut cookies) = info.cookies {
                cookies.sort_unstable();
                ensure!(cookies == COOKIES);
            }
            drop(link);
            call_all();
            ensure!(sum.read()? == ALL);
        }
    }
    Ok(())
}

fn kprobe_multi_session(_sandbox: &Sandbox) -> Result<()> {
    let (program, sum) = adding(Hook::KPROBE_SESSION)?;
    let to = KprobeMultiAttach::to_symbols(When::Session, &SYMBOLS).cookies(COOKIES);
    let _link = to.attach(&program)?;
    call_all();
    ensure!(sum.read()? == 2 * ALL, "{}", sum.read()?);
    Ok(())
}

fn kprobe_multi_errors(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::KPROBE_MULTI)?;
    let [a, b, _] = SYMBOLS;
    let attach = |symbols: &[&CStr], program: &Program| {
        KprobeMultiAttach::to_symbols(When::Entry, symbols).attach(program)
    };
    for (symbols, unknown, duplicate) in [
        (
            vec![a, c"no_such", b, c"nor_this"],
            vec![c"no_such", c"nor_this"],
            vec![],
        ),
        (vec![a, b, a], vec![], vec![a]),
        (vec![b, c"no_such", b], vec![c"no_such"], vec![b]),
    ] {
        let refused = attach(&symbols, &program);
        let Err(Error::SymbolNotFound { symbols, source }) = &refused else {
            anyhow::bail!("{refused:?}");
        };
        ensure!(source.errno() == Some(libc::ESRCH));
        let names = |found: &[CString], expected: &[&CStr]| {
            found
                .iter()
                .map(CString::as_c_str)
                .eq(expected.iter().copied())
        };
        ensure!(names(&symbols.unknown, &unknown), "{symbols}");
        ensure!(names(&symbols.duplicate, &duplicate), "{symbols}");
    }
    for hook in [Hook::KPROBE, Hook::XDP] {
        ensure_error!(
            attach(&SYMBOLS, &Program::passing(hook)?),
            Error::AttachTypeMismatch { .. },
            Some(libc::EINVAL)
        );
    }
    ensure_error!(
        KprobeMultiAttach::to_symbols(When::Entry, &SYMBOLS)
            .cookies(&[1])
            .attach(&program),
        Error::Link(bpf_link::Error::LengthMismatch { .. }),
        None
    );
    ensure_error!(
        attach(&[], &program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EINVAL)
    );
    Ok(())
}

fn uprobe_multi(_sandbox: &Sandbox) -> Result<()> {
    let (offsets, [counter, ..]) = (offsets()?, counters()?);
    let references = [counter, 0, 0];
    for when in [When::Entry, When::Return] {
        let (program, sum) = adding(Hook::UPROBE_MULTI)?;
        let link = UprobeMultiAttach::to(own_code::FILE, when, &offsets)
            .cookies(COOKIES)
            .ref_ctr_offsets(&references)
            .pid(std::process::id())
            .attach(&program)?;
        call_each();
        ensure!(sum.read()? == ALL, "{when:?}: {}", sum.read()?);
        ensure!(counted() == [2, 1, 1]);
        let info = link.info()?;
        let flags = match when {
            When::Return => UprobeMultiFlags::RETURN,
            _ => UprobeMultiFlags::empty(),
        };
        ensure!(info.offsets == since(6, 8, offsets.to_vec())?, "{info:?}");
        ensure!(info.ref_ctr_offsets == since(6, 8, references.to_vec())?);
        ensure!(info.cookies == since(6, 8, COOKIES.to_vec())? && info.count == since(6, 8, 3)?);
        ensure!(info.flags == since(6, 8, flags)?);
        ensure!(info.pid == since(6, 8, std::process::id())?);
        drop(link);
        call_each();
        ensure!(sum.read()? == ALL && counted() == [1; 3]);
    }
    Ok(())
}

fn uprobe_multi_by_descriptor(_sandbox: &Sandbox) -> Result<()> {
    let (program, sum) = adding(Hook::UPROBE_MULTI)?;
    let (file, offsets) = (File::open(own_code::FILE)?, offsets()?);
    let to = UprobeMultiAttach::to(&file, When::Entry, &offsets).cookies(COOKIES);
    let link = to.attach(&program)?;
    drop(file);
    call_each();
    ensure!(sum.read()? == ALL);
    let path = link.info()?.path.context("it has a path")?;
    ensure!(
        path.to_str()?
            == std::fs::read_link(own_code::FILE)?
                .to_str()
                .context("text")?
    );
    Ok(())
}

fn uprobe_multi_session(_sandbox: &Sandbox) -> Result<()> {
    let (program, sum) = adding(Hook::UPROBE_SESSION)?;
    let offsets = offsets()?;
    let to = UprobeMultiAttach::to(own_code::FILE, When::Session, &offsets).cookies(COOKIES);
    let _link = to.attach(&program)?;
    call_each();
    ensure!(sum.read()? == 2 * ALL, "{}", sum.read()?);
    Ok(())
}

fn uprobe_multi_errors(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::UPROBE_MULTI)?;
    let offsets = offsets()?;
    let to = |file: &'static str| UprobeMultiAttach::to(file, When::Entry, &offsets);
    ensure_error!(
        to("/no such file").attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::ENOENT)
    );
    ensure_error!(
        to("/").attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EBADF)
    );
    ensure_error!(
        to("/a\0b").attach(&program),
        Error::Link(bpf_link::Error::PathHasNul { .. }),
        None
    );
    ensure_error!(
        to(own_code::FILE).cookies(&[1]).attach(&program),
        Error::Link(bpf_link::Error::LengthMismatch { .. }),
        None
    );
    ensure_error!(
        to(own_code::FILE).pid(0x7fff_fff0).attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::ESRCH)
    );
    if Need::Linux(7, 2).missing()?.is_some() {
        let file = File::open(own_code::FILE)?;
        let by_descriptor = UprobeMultiAttach::to(FileRef::fd(&file), When::Entry, &offsets);
        ensure_error!(
            by_descriptor.attach(&program),
            Error::Link(bpf_link::Error::UnsupportedByKernel(_)),
            Some(libc::EINVAL)
        );
    }
    Ok(())
}
