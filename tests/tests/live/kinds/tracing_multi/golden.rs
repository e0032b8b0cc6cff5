//! What the kernel says of `tracing_multi` links: recorded, and beside what `bpftool` says.

use anyhow::{Context as _, Result};
use bpf_link::{AttachType, BtfTypeId, LinkCreate, LinkKind, RawLink, TracingMultiArgs};
use bpf_link_sys::{BPF_PROG_TYPE_TRACING, BPF_TRACE_FSESSION_MULTI};
use bpf_link_tests::{Hook, KernelBtf, Program, Sandbox};

use crate::fixture::attaching::COOKIE;
use crate::harness::{Need, Test, test};
use crate::lister::bpftool;
use crate::suites::golden::recorder::{Known, Recorder};
use crate::suites::golden::{self, Case};

const FSESSION_MULTI: Hook = Hook::new(BPF_PROG_TYPE_TRACING, BPF_TRACE_FSESSION_MULTI, 0);

pub(crate) const TESTS: &[Test] = &[
    test!(recorded),
    // bpftool prints made-up values where the kernel reports nothing.
    test!(as_bpftool_says)
        .needs(bpftool::NEEDS)
        .also_needs(Need::TRACING_MULTI)
        .also_needs(super::INFO)
        .minutes(4),
];

pub(crate) const CASES: &[Case] = &[
    Case::new(
        "tracing_multi-fentry",
        Need::TRACING_MULTI,
        |_, recorder| functions(recorder, Hook::FENTRY_MULTI),
    ),
    Case::new("tracing_multi-fexit", Need::TRACING_MULTI, |_, recorder| {
        functions(recorder, Hook::FEXIT_MULTI)
    }),
    Case::new(
        "tracing_multi-fsession",
        Need::TRACING_MULTI,
        |_, recorder| functions(recorder, FSESSION_MULTI),
    ),
];

fn recorded(sandbox: &Sandbox) -> Result<()> {
    golden::run(sandbox, CASES)
}

fn as_bpftool_says(sandbox: &Sandbox) -> Result<()> {
    golden::each(sandbox, CASES, &bpftool::compare)
}

fn functions(recorder: &Recorder<'_>, hook: Hook) -> Result<()> {
    let program = Program::passing(hook)?;
    let mut ids = Vec::new();
    for name in ["bpf_fentry_test3", "bpf_fentry_test1", "bpf_fentry_test2"] {
        let id = KernelBtf::get()?.function(name)?.context(name)?;
        ids.push(BtfTypeId::new(id).context("an id of 0")?);
    }
    let args = TracingMultiArgs::new(&ids).cookies(&[COOKIE, u64::MAX, 0])?;
    let attach_type = AttachType::from_raw(hook.attach_type);
    let link = RawLink::create(&LinkCreate::new(&program, attach_type).args(args))?;
    // In the order of the ids.
    let known = Known::of(LinkKind::TracingMulti, &program)?
        .own_array("ids", ids.len())
        .own_array("addrs", ids.len())
        .own_array("cookies", ids.len());
    recorder.record(&link, &known)
}
