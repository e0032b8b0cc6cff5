//! What the kernel says of netfilter links: recorded, and beside what `bpftool` says.

use anyhow::Result;
use bpf_link::{LinkKind, NetfilterArgs, NetfilterFlags, RawLink};
use bpf_link_sys::{NF_INET_LOCAL_OUT, NFPROTO_IPV4};
use bpf_link_tests::{Hook, Program, Sandbox};

use crate::fixture::attaching::request;
use crate::harness::{Need, Test, test};
use crate::lister::bpftool;
use crate::suites::golden::recorder::{Known, Recorder};
use crate::suites::golden::{self, Case};

pub(crate) const TESTS: &[Test] = &[
    test!(recorded),
    test!(as_bpftool_says).needs(bpftool::NEEDS).minutes(4),
];

pub(crate) const CASES: &[Case] = &[Case::new("netfilter", Need::NETFILTER, netfilter)];

fn recorded(sandbox: &Sandbox) -> Result<()> {
    golden::run(sandbox, CASES)
}

fn as_bpftool_says(sandbox: &Sandbox) -> Result<()> {
    golden::each(sandbox, CASES, &bpftool::compare)
}

fn netfilter(_sandbox: &Sandbox, recorder: &Recorder<'_>) -> Result<()> {
    let program = Program::passing(Hook::NETFILTER)?;
    let plain = NetfilterArgs::new(NFPROTO_IPV4, NF_INET_LOCAL_OUT, -123);
    let request = request(&program, Hook::NETFILTER);
    // What puts fragments together may be in a module that is not there.
    let whole = request.args(plain.flags(NetfilterFlags::IP_DEFRAG));
    let link = RawLink::create(&whole).or_else(|_| RawLink::create(&request.args(plain)))?;
    recorder.record(&link, &Known::of(LinkKind::Netfilter, &program)?)
}
