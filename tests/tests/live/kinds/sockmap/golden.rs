//! What the kernel says of sockmap links: recorded, and beside what `bpftool` says.

use anyhow::Result;
use bpf_link::LinkKind;
use bpf_link_tests::{Hook, Map, Program, Sandbox};

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
    Case::new("sockmap-sk_msg_verdict", Need::SOCKMAP, |_, recorder| {
        sockmap(recorder, Hook::SK_MSG_VERDICT, false)
    }),
    Case::new("sockmap-sk_skb_verdict", Need::SOCKMAP, |_, recorder| {
        sockmap(recorder, Hook::SK_SKB_VERDICT, false)
    }),
    Case::new(
        "sockmap-sk_skb_stream_verdict",
        Need::SOCKMAP,
        |_, recorder| sockmap(recorder, Hook::SK_SKB_STREAM_VERDICT, false),
    ),
    Case::new("sockmap-detached", Need::SOCKMAP, |_, recorder| {
        sockmap(recorder, Hook::SK_MSG_VERDICT, true)
    }),
];

fn recorded(sandbox: &Sandbox) -> Result<()> {
    golden::run(sandbox, CASES)
}

fn as_bpftool_says(sandbox: &Sandbox) -> Result<()> {
    golden::each(sandbox, CASES, &bpftool::compare)
}

fn sockmap(recorder: &Recorder<'_>, hook: Hook, detached: bool) -> Result<()> {
    let (program, map) = (Program::passing(hook)?, Map::sockmap(2)?);
    let request = request(&program, hook).target_fd(&map);
    record(recorder, LinkKind::Sockmap, &program, &request, detached)
}
