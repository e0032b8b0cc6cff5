//! What the kernel says of xdp links: recorded, and beside what `bpftool` says.

use anyhow::Result;
use bpf_link::{LinkKind, XdpFlags};
use bpf_link_tests::{Hook, Program, Sandbox};

use crate::fixture::LOOPBACK;
use crate::fixture::attaching::request;
use crate::harness::{Test, test};
use crate::lister::bpftool;
use crate::suites::golden::recorder::Recorder;
use crate::suites::golden::{self, Case, record};

pub(crate) const TESTS: &[Test] = &[
    test!(recorded),
    test!(as_bpftool_says).needs(bpftool::NEEDS).minutes(4),
];

pub(crate) const CASES: &[Case] = &[
    Case::new("xdp", &[], |_, recorder| xdp(recorder, false)),
    Case::new("xdp-detached", &[], |_, recorder| xdp(recorder, true)),
];

fn recorded(sandbox: &Sandbox) -> Result<()> {
    golden::run(sandbox, CASES)
}

fn as_bpftool_says(sandbox: &Sandbox) -> Result<()> {
    golden::each(sandbox, CASES, &bpftool::compare)
}

fn xdp(recorder: &Recorder<'_>, detached: bool) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    let request = request(&program, Hook::XDP)
        .target_ifindex(LOOPBACK)
        .xdp_flags(XdpFlags::SKB_MODE);
    record(recorder, LinkKind::Xdp, &program, &request, detached)
}
