//! What the kernel says of tcx links: recorded, and beside what `bpftool` says.

use anyhow::Result;
use bpf_link::{LinkKind, MprogArgs};
use bpf_link_tests::{Hook, Program, Sandbox};

use crate::fixture::LOOPBACK;
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
    Case::new("tcx-ingress", Need::TCX, |_, recorder| {
        tcx(recorder, Hook::TCX_INGRESS, false)
    }),
    Case::new("tcx-egress", Need::TCX, |_, recorder| {
        tcx(recorder, Hook::TCX_EGRESS, false)
    }),
    Case::new("tcx-detached", Need::TCX, |_, recorder| {
        tcx(recorder, Hook::TCX_INGRESS, true)
    }),
];

fn recorded(sandbox: &Sandbox) -> Result<()> {
    golden::run(sandbox, CASES)
}

fn as_bpftool_says(sandbox: &Sandbox) -> Result<()> {
    golden::each(sandbox, CASES, &bpftool::compare)
}

fn tcx(recorder: &Recorder<'_>, hook: Hook, detached: bool) -> Result<()> {
    let program = Program::passing(hook)?;
    let request = request(&program, hook)
        .target_ifindex(LOOPBACK)
        .args(MprogArgs::new().expected_revision(1));
    record(recorder, LinkKind::Tcx, &program, &request, detached)
}
