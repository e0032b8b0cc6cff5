//! What the kernel says of `perf_event` links: recorded, and beside what `bpftool` says.

use anyhow::{Context as _, Result};
use bpf_link::{AttachType, LinkCreate, LinkKind, PerfEventArgs, PerfEventConfig, RawLink};
use bpf_link_tests::{Hook, PerfEvent, ProbeAt, Program, Sandbox};

use crate::fixture::attaching::COOKIE;
use crate::harness::{Need, Test, test};
use crate::lister::bpftool;
use crate::suites::golden::probed::Probed;
use crate::suites::golden::recorder::{Known, Recorder};
use crate::suites::golden::{self, Case};

const KPROBES: &[Need] = &[Need::Function("register_kprobe")];
const UPROBES: &[Need] = &[Need::Function("uprobe_mmap")];

pub(crate) const TESTS: &[Test] = &[
    test!(recorded).alone(),
    test!(as_bpftool_says)
        .needs(bpftool::NEEDS)
        .alone()
        .minutes(4),
];

pub(crate) const CASES: &[Case] = &[
    Case::new("perf_event-tracepoint", Need::PERF_EVENT, tracepoint),
    Case::new("perf_event-event", Need::PERF_EVENT, counter),
    Case::new("perf_event-kprobe", Need::PERF_EVENT, |_, recorder| {
        kprobe(recorder, ProbeAt::Entry)
    })
    .also_needs(KPROBES),
    Case::new("perf_event-kretprobe", Need::PERF_EVENT, |_, recorder| {
        kprobe(recorder, ProbeAt::Return)
    })
    .also_needs(KPROBES),
    Case::new(
        "perf_event-uprobe",
        Need::PERF_EVENT,
        |sandbox, recorder| uprobe(sandbox, recorder, ProbeAt::Entry),
    )
    .also_needs(UPROBES),
    Case::new(
        "perf_event-uretprobe",
        Need::PERF_EVENT,
        |sandbox, recorder| uprobe(sandbox, recorder, ProbeAt::Return),
    )
    .also_needs(UPROBES),
];

fn recorded(sandbox: &Sandbox) -> Result<()> {
    golden::run(sandbox, CASES)
}

fn as_bpftool_says(sandbox: &Sandbox) -> Result<()> {
    golden::each(sandbox, CASES, &bpftool::compare)
}

fn record(
    recorder: &Recorder<'_>,
    event: &impl std::os::fd::AsFd,
    hook: Hook,
    name: Option<&str>,
) -> Result<()> {
    let program = Program::passing(hook)?;
    let request = LinkCreate::new(&program, AttachType::PerfEvent)
        .target_fd(event)
        .args(PerfEventArgs::cookie(COOKIE));
    let link = RawLink::create(&request)?;
    let mut known = Known::of(LinkKind::PerfEvent, &program)?;
    if let Some(name) = name {
        known = known.named(name);
    }
    recorder.record(&link, &known)
}

fn tracepoint(sandbox: &Sandbox, recorder: &Recorder<'_>) -> Result<()> {
    let event = PerfEvent::tracepoint(sandbox, "sched", "sched_switch")?;
    record(recorder, &event, Hook::TRACEPOINT, Some("sched_switch"))
}

fn counter(_sandbox: &Sandbox, recorder: &Recorder<'_>) -> Result<()> {
    record(recorder, &PerfEvent::page_fault()?, Hook::PERF_EVENT, None)
}

fn kprobe(recorder: &Recorder<'_>, at: ProbeAt) -> Result<()> {
    let name = "bpf_fentry_test1";
    let event = PerfEvent::kprobe(name, at)?;
    record(recorder, &event, Hook::KPROBE, Some(name))
}

fn uprobe(sandbox: &Sandbox, recorder: &Recorder<'_>, at: ProbeAt) -> Result<()> {
    const TYPE: &str = "/sys/bus/event_source/devices/uprobe/type";
    let number = std::fs::read_to_string(TYPE).context(TYPE)?;
    let counter = 0x20 << 32;
    let config = match at {
        ProbeAt::Entry => counter,
        ProbeAt::Return => counter | 1,
    };
    let file = Probed::new(sandbox)?;
    let config = PerfEventConfig::new(number.trim().parse()?, config).probe(&file.name, 0x40);
    let event = bpf_link::PerfEvent::open(&config)?;
    record(recorder, &event, Hook::KPROBE, Some(file.name.to_str()?))
}
