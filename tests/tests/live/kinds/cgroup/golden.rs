//! What the kernel says of cgroup links: recorded, and beside what `bpftool` says.

use anyhow::Result;
use bpf_link::LinkKind;
use bpf_link_tests::{Hook, Loader, Program, Sandbox};

use crate::fixture::attaching::request;
use crate::harness::{Need, Test, test};
use crate::lister::bpftool;
use crate::suites::golden::recorder::Recorder;
use crate::suites::golden::{self, Case, record};

pub(crate) const TESTS: &[Test] = &[
    test!(recorded),
    test!(as_bpftool_says).needs(bpftool::NEEDS).minutes(4),
];

pub(crate) const CASES: &[Case] = &[
    Case::new("cgroup", &[], cgroup),
    Case::new("cgroup-detached", &[], cgroup_detached),
    Case::new("cgroup-lsm", Need::LSM, cgroup_lsm)
        .also_needs(&[Need::Constant("bpf_attach_type", "BPF_LSM_CGROUP")]),
];

fn recorded(sandbox: &Sandbox) -> Result<()> {
    golden::run(sandbox, CASES)
}

fn as_bpftool_says(sandbox: &Sandbox) -> Result<()> {
    golden::each(sandbox, CASES, &bpftool::compare)
}

fn on_a_cgroup(sandbox: &Sandbox, recorder: &Recorder<'_>, detached: bool) -> Result<()> {
    let hook = Hook::CGROUP_EGRESS;
    let (program, cgroup) = (Program::passing(hook)?, sandbox.new_cgroup("golden")?);
    let request = request(&program, hook).target_fd(&cgroup);
    record(recorder, LinkKind::Cgroup, &program, &request, detached)
}

fn cgroup(sandbox: &Sandbox, recorder: &Recorder<'_>) -> Result<()> {
    on_a_cgroup(sandbox, recorder, false)
}

fn cgroup_detached(sandbox: &Sandbox, recorder: &Recorder<'_>) -> Result<()> {
    on_a_cgroup(sandbox, recorder, true)
}

fn cgroup_lsm(sandbox: &Sandbox, recorder: &Recorder<'_>) -> Result<()> {
    let program = Loader::new(Hook::LSM_CGROUP)
        .function("bpf_lsm_socket_bind")?
        .returning(1)?;
    let cgroup = sandbox.new_cgroup("golden")?;
    let request = request(&program, Hook::LSM_CGROUP).target_fd(&cgroup);
    record(recorder, LinkKind::Cgroup, &program, &request, false)
}
