//! `perf_event` links: tracepoints, probes and counters as perf events.

mod counted;
mod counters;
mod ensure;
mod golden;
mod kprobe_refusals;
mod programs;
mod soak;
mod sorts;
mod tracepoints;
mod typed;
#[cfg(target_arch = "x86_64")]
mod uprobe_refusals;

use std::hint::black_box;
use std::os::fd::AsFd as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{
    AttachFlags, AttachType, Error, InfoBuffers, LinkCreate, LinkKind, PerfEventArgs, RawLink,
};
use bpf_link_sys::{
    BPF_PERF_EVENT_EVENT, BPF_PERF_EVENT_KPROBE, BPF_PERF_EVENT_KRETPROBE,
    BPF_PERF_EVENT_TRACEPOINT, BPF_PERF_EVENT_UPROBE, BPF_PERF_EVENT_URETPROBE,
    PERF_COUNT_SW_PAGE_FAULTS, PERF_TYPE_SOFTWARE,
};
use bpf_link_tests::{CounterMap, Hook, Loader, PerfEvent, ProbeAt, Program, Sandbox, own_code};

use crate::fixture::ensure_refused;
use crate::harness::Listed::{self, Roles, Tests};
use crate::harness::{Need, Test, test};
use crate::suites::conformance::{self, Counting, Field, Operation, Subject, field};
use crate::suites::descriptor_zero;
use crate::suites::kind_tests::KindTests;
use crate::suites::lent_name::{self, TooShort};

/// The info of what sort of event it is, since Linux 6.6.
const INFO: &[Need] = &[Need::Member("bpf_link_info", "perf_event")];
const NO_INFO: &[Need] = &[Need::Without(&Need::Member("bpf_link_info", "perf_event"))];
const KPROBES: &[Need] = &[Need::Function("register_kprobe")];
const UPROBES: &[Need] = &[Need::Function("uprobe_mmap")];

/// What tests of all kinds need to know of this one.
pub(crate) const KIND: KindTests = KindTests::new(
    LinkKind::PerfEvent,
    Need::PERF_EVENT,
    golden::CASES,
    typed::HAS_NO,
    soak::place,
);

/// What this file and those of its folder list.
pub(crate) const ALL: &[Listed] = &[
    Tests(TESTS),
    Tests(counted::TESTS),
    Roles(counted::ROLES),
    Tests(counters::TESTS),
    Tests(ensure::TESTS),
    Tests(golden::TESTS),
    Tests(kprobe_refusals::TESTS),
    Tests(programs::TESTS),
    Tests(sorts::TESTS),
    Tests(tracepoints::TESTS),
    Tests(typed::TESTS),
    #[cfg(target_arch = "x86_64")]
    Tests(uprobe_refusals::TESTS),
];

const TESTS: &[Test] = &[
    test!(conforms).needs(Need::PERF_EVENT),
    test!(conforms_on_a_counter).needs(Need::PERF_EVENT),
    test!(conforms_on_a_uprobe)
        .needs(Need::PERF_EVENT)
        .also_needs(UPROBES),
    test!(conforms_on_a_uretprobe)
        .needs(Need::PERF_EVENT)
        .also_needs(UPROBES),
    test!(conforms_on_a_kprobe)
        .needs(Need::PERF_EVENT)
        .also_needs(KPROBES),
    test!(conforms_on_a_kretprobe)
        .needs(Need::PERF_EVENT)
        .also_needs(KPROBES),
    test!(the_cookie_gets_to_the_program).needs(Need::PERF_EVENT),
    test!(the_name_of_a_tracepoint)
        .needs(Need::PERF_EVENT)
        .also_needs(INFO),
    test!(the_name_of_a_kprobe)
        .needs(Need::PERF_EVENT)
        .also_needs(INFO)
        .also_needs(KPROBES),
    test!(the_name_of_a_uprobe)
        .needs(Need::PERF_EVENT)
        .also_needs(INFO)
        .also_needs(UPROBES),
    test!(a_counter_has_no_name)
        .needs(Need::PERF_EVENT)
        .also_needs(INFO),
    test!(before_there_was_info)
        .needs(Need::PERF_EVENT)
        .also_needs(NO_INFO),
    test!(what_is_no_perf_event).needs(Need::PERF_EVENT),
    test!(the_event_is_descriptor_zero).needs(Need::PERF_EVENT),
    test!(one_program_to_an_event).needs(Need::PERF_EVENT),
    test!(a_program_that_does_not_fit).needs(Need::PERF_EVENT),
    test!(flags_that_there_are_not).needs(Need::PERF_EVENT),
    test!(the_link_holds_the_event).needs(Need::PERF_EVENT),
    test!(before_there_were_links).needs(&[Need::Without(&Need::Constant(
        "bpf_link_type",
        "BPF_LINK_TYPE_PERF_EVENT",
    ))]),
];

const COOKIE: u64 = 0xa1b2_c3d4_e5f6_0718;

fn request<'a>(event: &'a PerfEvent, program: &'a Program) -> LinkCreate<'a> {
    LinkCreate::new(program, AttachType::PerfEvent).target_fd(event)
}

/// The tracepoint of a system call that does nothing.
fn tracepoint(sandbox: &Sandbox) -> Result<PerfEvent> {
    PerfEvent::tracepoint(sandbox, "syscalls", "sys_enter_getppid")
}

fn make_the_system_call() {
    let _parent = rustix::process::getppid();
}

/// The function of the kernel that the call is.
#[cfg(target_arch = "x86_64")]
const SYSTEM_CALL: &str = "__x64_sys_getppid";
#[cfg(target_arch = "aarch64")]
const SYSTEM_CALL: &str = "__arm64_sys_getppid";
#[cfg(target_arch = "riscv64")]
const SYSTEM_CALL: &str = "__riscv_sys_getppid";
#[cfg(target_arch = "s390x")]
const SYSTEM_CALL: &str = "__s390x_sys_getppid";

#[inline(never)]
extern "C" fn probed(value: u32) -> u32 {
    black_box(value)
}

/// So much at a time comes fresh from the kernel, and from no allocator's store.
fn use_new_memory() {
    let mut memory = vec![0_u8; 64 << 20];
    if let Some(byte) = black_box(&mut memory).last_mut() {
        *byte = 1;
    }
    black_box(memory);
}

fn conforms_on(
    sandbox: &Sandbox,
    (event, hook): (&PerfEvent, Hook),
    happen: fn(),
    fields: Vec<Field>,
) -> Result<()> {
    let load = || Counting::loaded(Loader::new(hook).in_this_process());
    conformance::check(&Subject {
        sandbox,
        kind: LinkKind::PerfEvent,
        first: load()?,
        second: load()?,
        create: &|program| {
            RawLink::create(
                &LinkCreate::new(program, AttachType::PerfEvent)
                    .target_fd(event)
                    .args(PerfEventArgs::cookie(COOKIE)),
            )
        },
        event: &|_| {
            happen();
            Ok(())
        },
        fields,
        update: Operation::Refused(libc::EINVAL),
        detach: Operation::Refused(libc::EOPNOTSUPP),
    })
}

fn conforms(sandbox: &Sandbox) -> Result<()> {
    conforms_on(
        sandbox,
        (&tracepoint(sandbox)?, Hook::TRACEPOINT),
        make_the_system_call,
        vec![
            field!(perf_event.type_, BPF_PERF_EVENT_TRACEPOINT),
            field!(perf_event.uprobe_union.tracepoint.cookie, COOKIE),
        ],
    )
}

fn conforms_on_a_counter(sandbox: &Sandbox) -> Result<()> {
    conforms_on(
        sandbox,
        (&PerfEvent::page_fault()?, Hook::PERF_EVENT),
        use_new_memory,
        vec![
            field!(perf_event.type_, BPF_PERF_EVENT_EVENT),
            field!(
                perf_event.uprobe_union.event.config,
                u64::from(PERF_COUNT_SW_PAGE_FAULTS)
            ),
            field!(perf_event.uprobe_union.event.type_, PERF_TYPE_SOFTWARE),
            field!(perf_event.uprobe_union.event.cookie, COOKIE),
        ],
    )
}

fn conforms_on_a_probe_of_our_own(sandbox: &Sandbox, at: ProbeAt, sort: u32) -> Result<()> {
    let offset = own_code::offset_of(probed as *const ())?;
    conforms_on(
        sandbox,
        (
            &PerfEvent::uprobe(Path::new(own_code::FILE), offset, at)?,
            Hook::KPROBE,
        ),
        || {
            probed(1);
        },
        vec![
            field!(perf_event.type_, sort),
            field!(
                perf_event.uprobe_union.uprobe.offset,
                u32::try_from(offset)?
            ),
            field!(perf_event.uprobe_union.uprobe.cookie, COOKIE),
            field!(perf_event.uprobe_union.uprobe.ref_ctr_offset, 0_u64),
        ],
    )
}

fn conforms_on_a_uprobe(sandbox: &Sandbox) -> Result<()> {
    conforms_on_a_probe_of_our_own(sandbox, ProbeAt::Entry, BPF_PERF_EVENT_UPROBE)
}

fn conforms_on_a_uretprobe(sandbox: &Sandbox) -> Result<()> {
    conforms_on_a_probe_of_our_own(sandbox, ProbeAt::Return, BPF_PERF_EVENT_URETPROBE)
}

fn conforms_on_a_probe_of_the_kernel(sandbox: &Sandbox, at: ProbeAt, sort: u32) -> Result<()> {
    conforms_on(
        sandbox,
        (&PerfEvent::kprobe(SYSTEM_CALL, at)?, Hook::KPROBE),
        make_the_system_call,
        vec![
            field!(perf_event.type_, sort),
            field!(perf_event.uprobe_union.kprobe.offset, 0_u32),
            field!(perf_event.uprobe_union.kprobe.missed, 0_u64),
            field!(perf_event.uprobe_union.kprobe.cookie, COOKIE),
        ],
    )
}

fn conforms_on_a_kprobe(sandbox: &Sandbox) -> Result<()> {
    conforms_on_a_probe_of_the_kernel(sandbox, ProbeAt::Entry, BPF_PERF_EVENT_KPROBE)
}

fn conforms_on_a_kretprobe(sandbox: &Sandbox) -> Result<()> {
    conforms_on_a_probe_of_the_kernel(sandbox, ProbeAt::Return, BPF_PERF_EVENT_KRETPROBE)
}

fn the_cookie_gets_to_the_program(sandbox: &Sandbox) -> Result<()> {
    let event = tracepoint(sandbox)?;
    for given in [Some(COOKIE), Some(1), None] {
        let sum = CounterMap::new()?;
        let program = Loader::new(Hook::TRACEPOINT)
            .in_this_process()
            .adding_cookies(&sum)
            .passing()?;
        let request = request(&event, &program);
        let _link = RawLink::create(&match given {
            Some(cookie) => request.args(PerfEventArgs::cookie(cookie)),
            None => request,
        })?;
        make_the_system_call();
        let sum = sum.read()?;
        ensure!(sum == given.unwrap_or(0), "the cookie was {sum:#x}");
    }
    Ok(())
}

fn check_name(event: &PerfEvent, hook: Hook, name: &str) -> Result<()> {
    let program = Program::passing(hook)?;
    let link = RawLink::create(&request(event, &program))?;
    ensure!(link.info()?.count().is_none());
    lent_name::check(&link, name, TooShort::CutOff, |name| {
        InfoBuffers::PerfEvent { name }
    })
    .context(name.to_owned())
}

fn the_name_of_a_tracepoint(sandbox: &Sandbox) -> Result<()> {
    let switch = PerfEvent::tracepoint(sandbox, "sched", "sched_switch")?;
    check_name(&switch, Hook::TRACEPOINT, "sched_switch")?;
    check_name(&tracepoint(sandbox)?, Hook::TRACEPOINT, "sys_enter_getppid")
}

fn the_name_of_a_kprobe(_sandbox: &Sandbox) -> Result<()> {
    for at in [ProbeAt::Entry, ProbeAt::Return] {
        let event = PerfEvent::kprobe(SYSTEM_CALL, at)?;
        check_name(&event, Hook::KPROBE, SYSTEM_CALL)?;
    }
    Ok(())
}

/// It is the file's as it was given, and not what that leads to.
fn the_name_of_a_uprobe(_sandbox: &Sandbox) -> Result<()> {
    let offset = own_code::offset_of(probed as *const ())?;
    for at in [ProbeAt::Entry, ProbeAt::Return] {
        let event = PerfEvent::uprobe(Path::new(own_code::FILE), offset, at)?;
        check_name(&event, Hook::KPROBE, own_code::FILE)?;
    }
    Ok(())
}

/// It has numbers where others have a name, and a buffer is left alone.
fn a_counter_has_no_name(_sandbox: &Sandbox) -> Result<()> {
    let event = PerfEvent::page_fault()?;
    let program = Program::passing(Hook::PERF_EVENT)?;
    let link = RawLink::create(&request(&event, &program))?;
    ensure_no_name(&link)
}

fn ensure_no_name(link: &RawLink) -> Result<()> {
    let info = link.info()?;
    ensure!(info.name_len().is_none() && info.count().is_none());
    for length in [1, 64] {
        let mut name = vec![0xa5; length];
        let with_name = link.info_with(InfoBuffers::PerfEvent { name: &mut name })?;
        ensure!(with_name.name_len().is_none());
        ensure!(with_name.as_bytes() == info.as_bytes(), "{with_name:?}");
        ensure!(name.iter().all(|&byte| byte == 0xa5), "{name:?}");
    }
    Ok(())
}

fn before_there_was_info(sandbox: &Sandbox) -> Result<()> {
    let event = tracepoint(sandbox)?;
    let program = Program::passing(Hook::TRACEPOINT)?;
    let link = RawLink::create(&request(&event, &program))?;
    ensure!(link.kind()? == LinkKind::PerfEvent);
    ensure!(link.info()?.program_id().map(u32::from) == Some(program.id()?));
    ensure_no_name(&link)
}

fn what_is_no_perf_event(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::TRACEPOINT)?;
    let file = std::fs::File::open("/proc/self/comm")?;
    for fd in [file.as_fd(), program.as_fd()] {
        ensure_refused!(
            RawLink::create(&LinkCreate::new(&program, AttachType::PerfEvent).target_fd(&fd)),
            Error::Command(_),
            Some(libc::EBADF)
        );
    }
    Ok(())
}

fn the_event_is_descriptor_zero(sandbox: &Sandbox) -> Result<()> {
    let event = tracepoint(sandbox)?;
    let program = Counting::program(Hook::TRACEPOINT)?;
    let _link = descriptor_zero::with(&event, |zero| {
        let request = LinkCreate::new(&program, AttachType::PerfEvent).target_fd(&zero);
        Ok(RawLink::create(&request)?)
    })?;
    ensure!(program.runs(|| {
        make_the_system_call();
        Ok(())
    })?);
    Ok(())
}

fn one_program_to_an_event(sandbox: &Sandbox) -> Result<()> {
    let event = tracepoint(sandbox)?;
    let (first, second) = (
        Program::passing(Hook::TRACEPOINT)?,
        Program::passing(Hook::TRACEPOINT)?,
    );
    let link = RawLink::create(&request(&event, &first))?;
    ensure_refused!(
        RawLink::create(&request(&event, &second)),
        Error::Command(_),
        Some(libc::EEXIST)
    );
    // All events of a tracepoint have one list, in which a program can be once.
    let same_tracepoint = tracepoint(sandbox)?;
    ensure_refused!(
        RawLink::create(&request(&same_tracepoint, &first)),
        Error::Command(_),
        Some(libc::EEXIST)
    );
    drop(RawLink::create(&request(&same_tracepoint, &second))?);
    drop(link);
    drop(RawLink::create(&request(&event, &second))?);
    Ok(())
}

fn a_program_that_does_not_fit(sandbox: &Sandbox) -> Result<()> {
    let (tracepoint, counter) = (tracepoint(sandbox)?, PerfEvent::page_fault()?);
    for (event, hook) in [
        (&tracepoint, Hook::PERF_EVENT),
        (&tracepoint, Hook::KPROBE),
        (&tracepoint, Hook::XDP),
        (&counter, Hook::TRACEPOINT),
        (&counter, Hook::KPROBE),
    ] {
        let program = Program::passing(hook)?;
        ensure_refused!(
            RawLink::create(&request(event, &program)),
            Error::Command(_),
            Some(libc::EINVAL)
        );
    }
    Ok(())
}

fn flags_that_there_are_not(sandbox: &Sandbox) -> Result<()> {
    let event = tracepoint(sandbox)?;
    let program = Program::passing(Hook::TRACEPOINT)?;
    ensure_refused!(
        RawLink::create(&request(&event, &program).flags(AttachFlags::BEFORE)),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    Ok(())
}

/// But whether it counts is left to who has the event's own descriptor.
fn the_link_holds_the_event(sandbox: &Sandbox) -> Result<()> {
    let event = tracepoint(sandbox)?;
    let program = Counting::loaded(Loader::new(Hook::TRACEPOINT).in_this_process())?;
    let request = LinkCreate::new(&program, AttachType::PerfEvent).target_fd(&event);
    let link = RawLink::create(&request)?;
    drop(event);
    let call = || {
        make_the_system_call();
        Ok(())
    };
    ensure!(program.runs(call)?);
    drop(link);
    program.stops(call)
}

fn before_there_were_links(sandbox: &Sandbox) -> Result<()> {
    let event = tracepoint(sandbox)?;
    let program = Program::passing(Hook::TRACEPOINT)?;
    let request = request(&event, &program);
    for request in [request, request.args(PerfEventArgs::cookie(COOKIE))] {
        ensure_refused!(
            RawLink::create(&request),
            Error::UnsupportedByKernel(_) | Error::Command(_),
            Some(libc::EINVAL)
        );
    }
    Ok(())
}
