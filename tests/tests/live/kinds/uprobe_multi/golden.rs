//! What the kernel says of `uprobe_multi` links: recorded, and beside what `bpftool` says.

use std::path::Path;

use anyhow::{Context as _, Result};
use bpf_link::{AttachType, LinkCreate, LinkKind, RawLink, UprobeMultiArgs, UprobeMultiFlags};
use bpf_link_tests::{Hook, Program, Sandbox};

use crate::fixture::attaching::COOKIES;
use crate::harness::{Need, Test, test};
use crate::lister::bpftool;
use crate::suites::golden::probed::Probed;
use crate::suites::golden::recorder::{Known, Recorder};
use crate::suites::golden::{self, Case};

const OFFSETS: [u64; 3] = [0x40, 0, 0x80];
const COUNTERS: [u64; 3] = [0x100, 0, 0x102];

pub(crate) const TESTS: &[Test] = &[
    test!(recorded).alone(),
    test!(as_bpftool_says)
        .needs(bpftool::NEEDS)
        .alone()
        .minutes(4),
];

pub(crate) const CASES: &[Case] = &[
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

fn recorded(sandbox: &Sandbox) -> Result<()> {
    golden::run(sandbox, CASES)
}

fn as_bpftool_says(sandbox: &Sandbox) -> Result<()> {
    golden::each(sandbox, CASES, &bpftool::compare)
}

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
