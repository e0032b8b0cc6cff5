//! What the kernel says of `struct_ops` links: recorded, and beside what `bpftool` says.

use anyhow::Result;
use bpf_link::{LinkCreate, LinkKind, RawLink};
use bpf_link_tests::{CongestionControl, Sandbox, names};

use crate::harness::{Need, Test, test};
use crate::lister::bpftool;
use crate::suites::golden::recorder::{Known, Recorder};
use crate::suites::golden::{self, Case};

pub(crate) const TESTS: &[Test] = &[
    test!(recorded),
    test!(as_bpftool_says).needs(bpftool::NEEDS).minutes(4),
];

pub(crate) const CASES: &[Case] = &[
    Case::new("struct_ops", Need::STRUCT_OPS, |_, recorder| {
        struct_ops(recorder, false)
    }),
    Case::new("struct_ops-detached", Need::STRUCT_OPS, |_, recorder| {
        struct_ops(recorder, true)
    })
    .also_needs(&[Need::Linux(6, 11)]),
];

fn recorded(sandbox: &Sandbox) -> Result<()> {
    golden::run(sandbox, CASES)
}

fn as_bpftool_says(sandbox: &Sandbox) -> Result<()> {
    golden::each(sandbox, CASES, &bpftool::compare)
}

fn struct_ops(recorder: &Recorder<'_>, detached: bool) -> Result<()> {
    // All of the machine share these names, and a link that was dropped may keep its own for a
    // moment.
    let name = names::object_name(if detached { "gone" } else { "golden" });
    let map = CongestionControl::new(&name)?;
    let link = RawLink::create(&LinkCreate::struct_ops(&map))?;
    if detached {
        link.detach()?;
    }
    recorder.record(&link, &Known::without_program(LinkKind::StructOps))
}
