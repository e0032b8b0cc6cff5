//! What the kernel says of `kprobe_multi` links: recorded, and beside what `bpftool` says.

use anyhow::Result;
use bpf_link::{AttachType, KprobeMultiArgs, KprobeMultiFlags, LinkCreate, LinkKind, RawLink};
use bpf_link_tests::{Hook, Program, Sandbox};

use crate::fixture::addresses::FUNCTIONS;
use crate::fixture::attaching::COOKIES;
use crate::harness::{Need, Test, test};
use crate::lister::bpftool;
use crate::suites::golden::recorder::{Known, Recorder};
use crate::suites::golden::{self, Case};

pub(crate) const TESTS: &[Test] = &[
    test!(recorded).alone(),
    test!(as_bpftool_says)
        .needs(bpftool::NEEDS)
        .alone()
        .minutes(4),
];

pub(crate) const CASES: &[Case] = &[
    Case::new("kprobe_multi", Need::KPROBE_MULTI, |_, recorder| {
        kprobe_multi(recorder, Hook::KPROBE_MULTI, KprobeMultiFlags::empty())
    }),
    Case::new("kprobe_multi-return", Need::KPROBE_MULTI, |_, recorder| {
        kprobe_multi(recorder, Hook::KPROBE_MULTI, KprobeMultiFlags::RETURN)
    }),
    Case::new("kprobe_multi-session", Need::KPROBE_MULTI, |_, recorder| {
        kprobe_multi(recorder, Hook::KPROBE_SESSION, KprobeMultiFlags::empty())
    })
    .also_needs(Need::KPROBE_SESSION),
];

fn recorded(sandbox: &Sandbox) -> Result<()> {
    golden::run(sandbox, CASES)
}

fn as_bpftool_says(sandbox: &Sandbox) -> Result<()> {
    golden::each(sandbox, CASES, &bpftool::compare)
}

fn kprobe_multi(recorder: &Recorder<'_>, hook: Hook, flags: KprobeMultiFlags) -> Result<()> {
    let program = Program::passing(hook)?;
    let args = KprobeMultiArgs::symbols(&FUNCTIONS)
        .cookies(&COOKIES)?
        .flags(flags);
    let attach_type = AttachType::from_raw(hook.attach_type);
    let link = RawLink::create(&LinkCreate::new(&program, attach_type).args(args))?;
    // In the order of the addresses.
    let known = Known::of(LinkKind::KprobeMulti, &program)?
        .own_array("addrs", FUNCTIONS.len())
        .own_array("cookies", COOKIES.len());
    recorder.record(&link, &known)
}
