//! What the kernel says of tracing links: recorded, and beside what `bpftool` says.

use anyhow::Result;
use bpf_link::{AttachType, LinkKind, RawLink, RawTracepointOpen};
use bpf_link_tests::{CounterMap, Hook, Loader, Replaceable, Sandbox};

use crate::harness::{Need, Test, test};
use crate::lister::bpftool;
use crate::suites::golden::recorder::{Known, Recorder};
use crate::suites::golden::{self, Case, attach};

pub(crate) const TESTS: &[Test] = &[
    test!(recorded),
    test!(as_bpftool_says).needs(bpftool::NEEDS).minutes(4),
];

pub(crate) const CASES: &[Case] = &[
    Case::new("tracing-fentry", Need::TRACING, |_, recorder| {
        function(recorder, Hook::FENTRY, "bpf_fentry_test1")
    }),
    Case::new("tracing-fexit", Need::TRACING, |_, recorder| {
        function(recorder, Hook::FEXIT, "bpf_fentry_test2")
    }),
    Case::new("tracing-modify_return", Need::TRACING, |_, recorder| {
        function(recorder, Hook::MODIFY_RETURN, "security_file_open")
    }),
    Case::new("tracing-fsession", Need::TRACING, |_, recorder| {
        function(recorder, Hook::FSESSION, "bpf_fentry_test1")
    })
    .also_needs(&[Need::Constant("bpf_attach_type", "BPF_TRACE_FSESSION")]),
    Case::new("tracing-lsm", Need::LSM, |_, recorder| {
        function(recorder, Hook::LSM, "bpf_lsm_file_open")
    }),
    Case::new("tracing-program", Need::TRACING, function_of_a_program),
    Case::new("tracing-extension", Need::TRACING, extension),
];

fn recorded(sandbox: &Sandbox) -> Result<()> {
    golden::run(sandbox, CASES)
}

fn as_bpftool_says(sandbox: &Sandbox) -> Result<()> {
    golden::each(sandbox, CASES, &bpftool::compare)
}

fn function(recorder: &Recorder<'_>, hook: Hook, name: &str) -> Result<()> {
    let program = Loader::new(hook).function(name)?.returning(0)?;
    let link = attach(&program, AttachType::from_raw(hook.attach_type))?;
    recorder.record(&link, &Known::of(LinkKind::Tracing, &program)?)
}

fn function_of_a_program(_sandbox: &Sandbox, recorder: &Recorder<'_>) -> Result<()> {
    let traced = Replaceable::new(&CounterMap::new()?)?;
    let program = Loader::new(Hook::FENTRY)
        .btf_id(Replaceable::FUNCTION)
        .target(&traced)
        .returning(0)?;
    let link = attach(&program, AttachType::TraceFentry)?;
    recorder.record(&link, &Known::of(LinkKind::Tracing, &program)?)
}

fn extension(_sandbox: &Sandbox, recorder: &Recorder<'_>) -> Result<()> {
    let replaced = Replaceable::new(&CounterMap::new()?)?;
    let program = replaced.extension().passing()?;
    let request = RawTracepointOpen::load_time_target(&program);
    let link = RawLink::open_raw_tracepoint(&request)?;
    recorder.record(&link, &Known::of(LinkKind::Tracing, &program)?)
}
