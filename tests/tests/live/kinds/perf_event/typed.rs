//! `perf_event` links through their type: attaching, info, and what is refused.

use std::ffi::CStr;
use std::hint::black_box;
use std::os::fd::AsFd;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{LinkCreate, PerfEventArgs, PerfEventConfig, RawLink};
use bpf_link_sys::{PERF_COUNT_SW_PAGE_FAULTS, PERF_TYPE_SOFTWARE};
use bpf_link_tests::{
    CounterMap, Hook, PerfEvent, ProbeAt, Program, Sandbox, eventually_holds, own_code,
};
use bpf_link_typed::{
    AttachType, CounterEvent, Error, InfoBuf, KprobeEvent, PerfEventAttach, PerfEventDetails,
    PerfEventLink, SoftwareEvent, TracepointEvent, UprobeEvent,
};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::fixture::addresses::ensure_address;
use crate::fixture::as_nobody;
use crate::fixture::attaching::{
    COOKIE, adding, counts, ensure_error, id_of, since, stops, switch, without,
};
use crate::fixture::chain::check_refusal;
use crate::functions::kernel::{CALLS, SYMBOLS, address_of, shown_address_of};
use crate::functions::own::{call_each, counted, counters, first, offset_of};
use crate::harness::{Need, Test, test};
use crate::suites::operations::has_no;

const UPROBES: &[Need] = &[Need::Function("uprobe_mmap")];
const KPROBES: &[Need] = &[Need::Function("register_kprobe")];

has_no! { PerfEventLink: update, replace, detach, create_iter }

pub(crate) const TESTS: &[Test] = &[
    test!(counter).needs(Need::PERF_EVENT),
    test!(events_of_the_caller).needs(Need::PERF_EVENT),
    test!(kprobe).needs(Need::PERF_EVENT).also_needs(KPROBES),
    test!(tracepoint).needs(Need::PERF_EVENT),
    test!(uprobe)
        .needs(Need::PERF_EVENT)
        .alone()
        .also_needs(UPROBES),
    test!(without_an_event_source),
    test!(errors_full).needs(Need::PERF_EVENT),
    test!(without).needs(without!("bpf_link_type", "BPF_LINK_TYPE_PERF_EVENT")),
    test!(info).needs(Need::PERF_EVENT),
    test!(info_of_a_kprobe)
        .needs(Need::PERF_EVENT)
        .also_needs(&[Need::Function("register_kprobe")]),
    test!(info_by_address)
        .needs(Need::PERF_EVENT)
        .also_needs(&[Need::Function("register_kprobe")]),
    test!(info_of_a_uprobe)
        .alone()
        .needs(Need::PERF_EVENT)
        .also_needs(&[Need::Function("uprobe_mmap")]),
];

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
    ensure!(counts(&counter, switch)?);
    ensure_error!(
        to.attach(&program),
        Error::AlreadyAttached(_),
        Some(libc::EEXIST),
        &["tracepoint sched:sched_switch"]
    );
    drop(link);
    stops(&counter, switch)?;

    for (category, name) in [("sched", "no_such"), ("no_such", "sched_switch")] {
        let refused = PerfEventAttach::to(event(category, name)).attach(&program);
        let Err(Error::NoSuchTracepoint { tracepoint, .. }) = &refused else {
            anyhow::bail!("{refused:?}");
        };
        ensure!(*tracepoint == format!("{category}:{name}"));
        ensure_error!(
            refused,
            Error::NoSuchTracepoint { .. },
            Some(libc::ENOENT),
            &[&format!("{category}:{name}")]
        );
    }
    // No tracefs is there.
    let event = TracepointEvent::new("sched", "sched_switch").tracefs(sandbox.directory());
    ensure_error!(
        PerfEventAttach::to(event).attach(&program),
        Error::EventLookup { .. },
        Some(libc::ENOENT),
        &["tracepoint sched:sched_switch"]
    );
    Ok(())
}

fn counter(_sandbox: &Sandbox) -> Result<()> {
    let counter = CounterMap::new()?;
    let program = Program::counting(Hook::PERF_EVENT, &counter)?;
    let event = CounterEvent::with_period(SoftwareEvent::CpuClock, 1_000_000).processor(0);
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
    let event = CounterEvent::with_period(SoftwareEvent::PageFaults, 1).thread(0);
    let link = PerfEventAttach::to(event).attach(&program)?;
    ensure!(counts(&counter, || {
        drop(black_box(vec![1_u8; 1 << 22]));
        Ok(())
    })?);
    drop(link);
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
        Error::HookTaken { .. },
        Some(libc::EEXIST),
        &["hook perf_event"]
    );
    ensure_error!(
        PerfEventAttach::to_event(&program).attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EBADF),
        &["hook perf_event"]
    );
    drop(link);
    let other = Program::passing(Hook::KPROBE)?;
    ensure_error!(
        to.attach(&other),
        Error::ProgramRefused { .. },
        Some(libc::EINVAL),
        &[
            "hook perf_event",
            &format!("program {} ", other.id()?),
            "of type kprobe"
        ]
    );
    Ok(())
}

fn uprobe(_sandbox: &Sandbox) -> Result<()> {
    let (program, sum) = adding(Hook::KPROBE)?;
    let (offset, [references, ..]) = (offset_of(first)?, counters()?);
    let at = UprobeEvent::at(own_code::FILE, offset);
    for on_return in [false, true] {
        let at = at.clone();
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
        Error::File { .. },
        Some(libc::ENOENT),
        &["/no such file"]
    );
    ensure_error!(
        PerfEventAttach::to(UprobeEvent::at("/a\0b", 1)).attach(&program),
        Error::Link(bpf_link::Error::PathHasNul { .. }),
        None,
        &["/a\\0b"]
    );
    Ok(())
}

fn kprobe(_sandbox: &Sandbox) -> Result<()> {
    let [symbol, ..] = SYMBOLS;
    let [call, ..] = CALLS;
    let by_name = KprobeEvent::at(symbol, 0);
    let by_address = KprobeEvent::at_address(address_of(symbol)?);
    for (event, on_return) in [
        (by_name.clone(), false),
        (by_name.on_return(), true),
        (by_address.clone(), false),
        (by_address.on_return(), true),
    ] {
        let (program, sum) = adding(Hook::KPROBE)?;
        let link = PerfEventAttach::to(event.clone())
            .cookie(5)
            .attach(&program)?;
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

/// As on a kernel that was built without kprobes.
fn without_an_event_source(_sandbox: &Sandbox) -> Result<()> {
    const SOURCES: &str = "/sys/bus/event_source/devices";
    let program = Program::passing(Hook::KPROBE)?;
    mount("tmpfs", SOURCES, "tmpfs", MountFlags::empty(), None)?;
    ensure_error!(
        PerfEventAttach::to(KprobeEvent::at(c"vfs_read", 0)).attach(&program),
        Error::NoEventSource { name: "kprobe", .. },
        Some(libc::ENOENT),
        &["function vfs_read cannot be probed"]
    );
    ensure_error!(
        PerfEventAttach::to(UprobeEvent::at("/proc/self/exe", 0x10)).attach(&program),
        Error::NoEventSource { name: "uprobe", .. },
        Some(libc::ENOENT),
        &["/proc/self/exe at 0x10 cannot be probed"]
    );
    unmount(SOURCES, UnmountFlags::empty())?;
    Ok(())
}

fn errors_full(sandbox: &Sandbox) -> Result<()> {
    let tracefs = sandbox.tracefs()?;
    let event = TracepointEvent::new("syscalls", "sys_enter_getppid").tracefs(tracefs);
    let to = PerfEventAttach::to(event);
    let programs: Vec<Program> = std::iter::repeat_with(|| Program::passing(Hook::TRACEPOINT))
        .take(64)
        .collect::<Result<_>>()?;
    let links: Vec<_> = programs
        .iter()
        .map(|program| to.attach(program))
        .collect::<Result<_, _>>()?;
    let one_more = Program::passing(Hook::TRACEPOINT)?;
    ensure_error!(
        to.attach(&one_more),
        Error::HookTaken { .. },
        Some(libc::E2BIG),
        &["tracepoint syscalls:sys_enter_getppid"]
    );
    drop(links);
    drop(to.attach(&one_more)?);
    let program = Program::passing(Hook::PERF_EVENT)?;
    as_nobody(|| {
        let of_all = CounterEvent::with_period(SoftwareEvent::PageFaults, 1);
        let refused = PerfEventAttach::to(of_all.processor(0)).attach(&program);
        let refused = check_refusal(refused, &["perf event page-faults on processor 0"])?;
        ensure!(
            matches!(&refused, Error::Link(bpf_link::Error::PermissionDenied(_))),
            "{refused:?}"
        );
        Ok(())
    })
}

fn without(_sandbox: &Sandbox) -> Result<()> {
    let event = bpf_link_tests::PerfEvent::page_fault()?;
    let program = Program::passing(Hook::PERF_EVENT)?;
    ensure_error!(
        PerfEventAttach::to_event(&event).attach(&program),
        Error::Link(bpf_link::Error::UnsupportedByKernel(_) | bpf_link::Error::Command(_)),
        Some(libc::EINVAL),
        &["perf_event"]
    );
    Ok(())
}

/// What is said of a link on this event, with a cookie.
fn perf_info(event: &impl AsFd, hook: Hook) -> Result<PerfEventDetails> {
    let program = Program::passing(hook)?;
    let request = LinkCreate::new(&program, AttachType::PerfEvent)
        .target_fd(event)
        .args(PerfEventArgs::cookie(COOKIE));
    let link = PerfEventLink::try_from(RawLink::create(&request)?)?;
    let info = link.info()?;
    ensure!(info.program_id == id_of(&program)? && info.is_defunct() == Some(false));
    let mut buf = InfoBuf::new();
    ensure!(link.info_in(&mut buf)?.into_owned() == info);
    Ok(info.event)
}

/// Whether the kernel says nothing, as it should before Linux 6.6.
fn is_not_reported(event: &PerfEventDetails) -> Result<bool> {
    let not_reported = *event == PerfEventDetails::NotReported;
    ensure!(not_reported == since(6, 6, ())?.is_none(), "{event:?}");
    Ok(not_reported)
}

fn info(sandbox: &Sandbox) -> Result<()> {
    let event = PerfEvent::tracepoint(sandbox, "sched", "sched_switch")?;
    let event = perf_info(&event, Hook::TRACEPOINT)?;
    if !is_not_reported(&event)? {
        let PerfEventDetails::Tracepoint(tracepoint) = &event else {
            anyhow::bail!("{event:?}");
        };
        ensure!(
            tracepoint.name.as_deref() == Some(c"sched_switch"),
            "{event:?}"
        );
        ensure!(tracepoint.cookie == since(6, 9, COOKIE)?, "{event:?}");
    }
    let event = perf_info(&PerfEvent::page_fault()?, Hook::PERF_EVENT)?;
    if !is_not_reported(&event)? {
        let PerfEventDetails::Event(counter) = &event else {
            anyhow::bail!("{event:?}");
        };
        ensure!(counter.event_type == PERF_TYPE_SOFTWARE, "{event:?}");
        ensure!(
            counter.config == u64::from(PERF_COUNT_SW_PAGE_FAULTS),
            "{event:?}"
        );
        ensure!(counter.cookie == since(6, 9, COOKIE)?, "{event:?}");
    }
    Ok(())
}

fn info_of_a_kprobe(_sandbox: &Sandbox) -> Result<()> {
    for at in [ProbeAt::Entry, ProbeAt::Return] {
        let event = perf_info(&PerfEvent::kprobe("bpf_fentry_test1", at)?, Hook::KPROBE)?;
        if is_not_reported(&event)? {
            continue;
        }
        let (PerfEventDetails::Kprobe(probe) | PerfEventDetails::Kretprobe(probe)) = &event else {
            anyhow::bail!("{event:?}");
        };
        let is_return = matches!(event, PerfEventDetails::Kretprobe(_));
        ensure!(is_return == (at == ProbeAt::Return), "{event:?}");
        ensure!(
            probe.function.as_deref() == Some(c"bpf_fentry_test1"),
            "{event:?}"
        );
        ensure!(
            probe.offset == 0 && probe.missed == since(6, 7, 0)?,
            "{event:?}"
        );
        ensure!(probe.cookie == since(6, 9, COOKIE)?, "{event:?}");
        ensure_address(probe.address, "bpf_fentry_test1")?;
    }
    Ok(())
}

fn info_of_a_uprobe(sandbox: &Sandbox) -> Result<()> {
    let path = sandbox.directory().join("typed");
    std::fs::write(&path, [0; 4096])?;
    for at in [ProbeAt::Entry, ProbeAt::Return] {
        let event = perf_info(&PerfEvent::uprobe(&path, 64, at)?, Hook::KPROBE)?;
        if is_not_reported(&event)? {
            continue;
        }
        let (PerfEventDetails::Uprobe(probe) | PerfEventDetails::Uretprobe(probe)) = &event else {
            anyhow::bail!("{event:?}");
        };
        let is_return = matches!(event, PerfEventDetails::Uretprobe(_));
        ensure!(is_return == (at == ProbeAt::Return), "{event:?}");
        let file = probe.file.as_deref().map(CStr::to_bytes);
        ensure!(
            file == Some(path.as_os_str().as_encoded_bytes()),
            "{event:?}"
        );
        ensure!(
            probe.offset == 64 && probe.ref_ctr_offset == since(6, 16, 0)?,
            "{event:?}"
        );
        ensure!(probe.cookie == since(6, 9, COOKIE)?, "{event:?}");
    }
    std::fs::remove_file(&path)?;
    Ok(())
}

/// By an address, a probe has no name.
fn info_by_address(_sandbox: &Sandbox) -> Result<()> {
    const TYPE: &str = "/sys/bus/event_source/devices/kprobe/type";
    let number = std::fs::read_to_string(TYPE).context(TYPE)?;
    let Some(address) = shown_address_of("bpf_fentry_test1")? else {
        // Then nobody can place one by address.
        return Ok(());
    };
    let config = PerfEventConfig::new(number.trim().parse()?, 0).probe_address(address);
    let event = bpf_link::PerfEvent::open(&config)?;
    let event = perf_info(&event, Hook::KPROBE)?;
    if !is_not_reported(&event)? {
        let PerfEventDetails::Kprobe(probe) = &event else {
            anyhow::bail!("{event:?}");
        };
        ensure!(probe.function.is_none(), "{event:?}");
        ensure_address(probe.address, "bpf_fentry_test1")?;
    }
    Ok(())
}
