//! What the kernel says of netkit links: recorded, and beside what `bpftool` says.

use anyhow::Result;
use bpf_link::LinkKind;
use bpf_link_tests::{Device, DeviceKind, Hook, Program, Sandbox};

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
    Case::new("netkit-primary", Need::NETKIT, |_, recorder| {
        netkit(recorder, Hook::NETKIT_PRIMARY, false)
    }),
    Case::new("netkit-peer", Need::NETKIT, |_, recorder| {
        netkit(recorder, Hook::NETKIT_PEER, false)
    }),
    Case::new("netkit-detached", Need::NETKIT, |_, recorder| {
        netkit(recorder, Hook::NETKIT_PEER, true)
    }),
];

fn recorded(sandbox: &Sandbox) -> Result<()> {
    golden::run(sandbox, CASES)
}

fn as_bpftool_says(sandbox: &Sandbox) -> Result<()> {
    golden::each(sandbox, CASES, &bpftool::compare)
}

fn netkit(recorder: &Recorder<'_>, hook: Hook, detached: bool) -> Result<()> {
    let program = Program::passing(hook)?;
    let device = Device::create(DeviceKind::Netkit, "golden")?;
    let request = request(&program, hook).target_ifindex(device.index());
    record(recorder, LinkKind::Netkit, &program, &request, detached)
}
