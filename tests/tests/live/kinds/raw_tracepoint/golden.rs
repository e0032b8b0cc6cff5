//! What the kernel says of `raw_tracepoint` links: recorded, and beside what `bpftool` says.

use anyhow::Result;
use bpf_link::{AttachType, Error, LinkKind, RawLink, RawTracepointOpen};
use bpf_link_tests::{Hook, Loader, Program, Sandbox};

use crate::fixture::attaching::COOKIE;
use crate::harness::{Test, test};
use crate::lister::bpftool;
use crate::suites::golden::recorder::{Known, Recorder};
use crate::suites::golden::{self, Case, attach};

pub(crate) const TESTS: &[Test] = &[
    test!(recorded),
    test!(as_bpftool_says).needs(bpftool::NEEDS).minutes(4),
];

pub(crate) const CASES: &[Case] = &[
    Case::new("raw_tracepoint", &[], raw_tracepoint),
    Case::new("raw_tracepoint-typed", &[], typed),
];

fn recorded(sandbox: &Sandbox) -> Result<()> {
    golden::run(sandbox, CASES)
}

fn as_bpftool_says(sandbox: &Sandbox) -> Result<()> {
    golden::each(sandbox, CASES, &bpftool::compare)
}

fn raw_tracepoint(_sandbox: &Sandbox, recorder: &Recorder<'_>) -> Result<()> {
    let program = Program::passing(Hook::RAW_TRACEPOINT)?;
    let request = RawTracepointOpen::named(&program, c"sched_switch")?;
    let link = match RawLink::open_raw_tracepoint(&request.cookie(COOKIE)) {
        Err(Error::UnsupportedByKernel(_)) => RawLink::open_raw_tracepoint(&request)?,
        link => link?,
    };
    let known = Known::of(LinkKind::RawTracepoint, &program)?;
    recorder.record(&link, &known.named("sched_switch"))
}

fn typed(_sandbox: &Sandbox, recorder: &Recorder<'_>) -> Result<()> {
    let program = Loader::new(Hook::TYPED_RAW_TRACEPOINT)
        .tracepoint("sched_switch")?
        .returning(0)?;
    let link = attach(&program, AttachType::TraceRawTp)?;
    let known = Known::of(LinkKind::RawTracepoint, &program)?;
    recorder.record(&link, &known.named("sched_switch"))
}
