//! Perf events, and probes of many places at once.

use std::ffi::{CStr, CString};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use bpf_link::{
    AttachType, KprobeMultiArgs, KprobeMultiFlags, LinkCreate, LinkKind, PerfEventArgs,
    PerfEventConfig, RawLink, UprobeMultiArgs, UprobeMultiFlags,
};
use bpf_link_tests::{Hook, PerfEvent, ProbeAt, Program, Sandbox};

use super::Case;
use super::recorder::{Known, Recorder};
use crate::harness::Need;

const KPROBES: &[Need] = &[Need::Function("register_kprobe")];
const UPROBES: &[Need] = &[Need::Function("uprobe_mmap")];

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
    Case::new("kprobe_multi", Need::KPROBE_MULTI, |_, recorder| {
        kprobe_multi(recorder, Hook::KPROBE_MULTI, KprobeMultiFlags::empty())
    }),
    Case::new("kprobe_multi-return", Need::KPROBE_MULTI, |_, recorder| {
        kprobe_multi(recorder, Hook::KPROBE_MULTI, KprobeMultiFlags::RETURN)
    }),
    Case::new("kprobe_multi-session", Need::KPROBE_MULTI, |_, recorder| {
        kprobe_multi(recorder, Hook::KPROBE_SESSION, KprobeMultiFlags::empty())
    })
    .also_needs(&[Need::Constant(
        "bpf_attach_type",
        "BPF_TRACE_KPROBE_SESSION",
    )]),
    Case::new("uprobe_multi", Need::UPROBE_MULTI, |sandbox, recorder| {
        uprobe_multi(
            sandbox,
            recorder,
            Hook::UPROBE_MULTI,
            UprobeMultiFlags::empty(),
        )
    }),
    Case::new(
        "uprobe_multi-return",
        Need::UPROBE_MULTI,
        |sandbox, recorder| {
            uprobe_multi(
                sandbox,
                recorder,
                Hook::UPROBE_MULTI,
                UprobeMultiFlags::RETURN,
            )
        },
    ),
    Case::new(
        "uprobe_multi-session",
        Need::UPROBE_MULTI,
        |sandbox, recorder| {
            uprobe_multi(
                sandbox,
                recorder,
                Hook::UPROBE_SESSION,
                UprobeMultiFlags::empty(),
            )
        },
    )
    .also_needs(&[Need::Constant(
        "bpf_attach_type",
        "BPF_TRACE_UPROBE_SESSION",
    )]),
    Case::new(
        "uprobe_multi-path_fd",
        Need::UPROBE_MULTI,
        uprobe_multi_by_descriptor,
    )
    .also_needs(&[Need::Linux(7, 2)]),
];

const COOKIE: u64 = 0x0123_4567_89ab_cdef;

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

/// A file to put probes into, which no process ever runs.
struct Probed {
    path: PathBuf,
    name: CString,
}

impl Probed {
    fn new(sandbox: &Sandbox) -> Result<Self> {
        let path = sandbox.directory().join("probed");
        std::fs::write(&path, [0; 4096])?;
        let name = CString::new(path.as_os_str().as_encoded_bytes())?;
        Ok(Self { path, name })
    }
}

impl Drop for Probed {
    fn drop(&mut self) {
        // It is in memory, and goes with the sandbox if it stays.
        let _ = std::fs::remove_file(&self.path);
    }
}

const FUNCTIONS: [&CStr; 3] = [
    c"bpf_fentry_test3",
    c"bpf_fentry_test1",
    c"bpf_fentry_test2",
];
const COOKIES: [u64; 3] = [COOKIE, u64::MAX, 0];

fn kprobe_multi(recorder: &Recorder<'_>, hook: Hook, flags: KprobeMultiFlags) -> Result<()> {
    let program = Program::passing(hook)?;
    let args = KprobeMultiArgs::symbols(&FUNCTIONS)
        .cookies(&COOKIES)?
        .flags(flags);
    let attach_type = AttachType::from_raw(hook.attach_type);
    let link = RawLink::create(&LinkCreate::new(&program, attach_type).args(args))?;
    // In the order of the addresses.
    let known = Known::of(LinkKind::KprobeMulti, &program)?
        .own_array("addrs", FUNCTIONS.len())
        .own_array("cookies", COOKIES.len());
    recorder.record(&link, &known)
}

const OFFSETS: [u64; 3] = [0x40, 0, 0x80];
const COUNTERS: [u64; 3] = [0x100, 0, 0x102];

fn uprobe_multi(
    sandbox: &Sandbox,
    recorder: &Recorder<'_>,
    hook: Hook,
    flags: UprobeMultiFlags,
) -> Result<()> {
    let file = Probed::new(sandbox)?;
    let args = UprobeMultiArgs::path(&file.name, &OFFSETS)
        .flags(flags)
        .pid(std::process::id());
    record_uprobes(recorder, hook, &file.path, args)
}

fn uprobe_multi_by_descriptor(sandbox: &Sandbox, recorder: &Recorder<'_>) -> Result<()> {
    let probed = Probed::new(sandbox)?;
    let file = std::fs::File::open(&probed.path)?;
    let args = UprobeMultiArgs::path_fd(&file, &OFFSETS);
    record_uprobes(recorder, Hook::UPROBE_MULTI, &probed.path, args)
}

fn record_uprobes(
    recorder: &Recorder<'_>,
    hook: Hook,
    path: &Path,
    args: UprobeMultiArgs<'_>,
) -> Result<()> {
    let program = Program::passing(hook)?;
    let args = args.ref_ctr_offsets(&COUNTERS)?.cookies(&COOKIES)?;
    let attach_type = AttachType::from_raw(hook.attach_type);
    let link = RawLink::create(&LinkCreate::new(&program, attach_type).args(args))?;
    let known = Known::of(LinkKind::UprobeMulti, &program)?
        .named(path.to_str().context("a path that is text")?)
        .array("offsets", &OFFSETS)
        .array("ref_ctr_offsets", &COUNTERS)
        .array("cookies", &COOKIES);
    recorder.record(&link, &known)
}
