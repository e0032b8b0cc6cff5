//! What the kernel says of netns links: recorded, and beside what `bpftool` says.

use anyhow::Result;
use bpf_link::LinkKind;
use bpf_link_tests::{Hook, Netns, Program, Sandbox};

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
    Case::new("netns-sk_lookup", &[], |_, recorder| {
        netns(recorder, Hook::SK_LOOKUP, false)
    }),
    Case::new("netns-flow_dissector", &[], |_, recorder| {
        netns(recorder, Hook::FLOW_DISSECTOR, false)
    }),
    Case::new("netns-detached", &[], |_, recorder| {
        netns(recorder, Hook::SK_LOOKUP, true)
    }),
];

fn recorded(sandbox: &Sandbox) -> Result<()> {
    golden::run(sandbox, CASES)
}

fn as_bpftool_says(sandbox: &Sandbox) -> Result<()> {
    golden::each(sandbox, CASES, &bpftool::compare)
}

fn netns(recorder: &Recorder<'_>, hook: Hook, detached: bool) -> Result<()> {
    let (program, netns) = (Program::passing(hook)?, Netns::current()?);
    let request = request(&program, hook).target_fd(&netns);
    record(recorder, LinkKind::Netns, &program, &request, detached)
}
