//! Tracepoints, and functions of the kernel by their trampolines.

use anyhow::{Context as _, Result};
use bpf_link::{
    AttachType, BtfTypeId, Error, LinkCreate, LinkKind, RawLink, RawTracepointOpen, TracingArgs,
    TracingMultiArgs,
};
use bpf_link_sys::{BPF_PROG_TYPE_TRACING, BPF_TRACE_FSESSION_MULTI};
use bpf_link_tests::{CounterMap, Hook, KernelBtf, Loader, Program, Replaceable, Sandbox};

use super::Case;
use super::recorder::{Known, Recorder};
use crate::harness::Need;

const FSESSION_MULTI: Hook = Hook::new(BPF_PROG_TYPE_TRACING, BPF_TRACE_FSESSION_MULTI, 0);

pub(crate) const CASES: &[Case] = &[
    Case::new("raw_tracepoint", &[], raw_tracepoint),
    Case::new("raw_tracepoint-typed", &[], typed),
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

const COOKIE: u64 = 0x0123_4567_89ab_cdef;

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

/// With a cookie where such links can be made with one, since Linux 5.19.
fn attach(program: &Program, attach_type: AttachType) -> Result<RawLink> {
    if Need::Before(5, 19).missing()?.is_none() {
        let request = RawTracepointOpen::load_time_target(program);
        return Ok(RawLink::open_raw_tracepoint(&request)?);
    }
    let args = TracingArgs::new().cookie(COOKIE);
    Ok(RawLink::create(
        &LinkCreate::new(program, attach_type).args(args),
    )?)
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
