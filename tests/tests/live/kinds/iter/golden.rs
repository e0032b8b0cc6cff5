//! What the kernel says of iter links: recorded, and beside what `bpftool` says.

use std::os::fd::AsFd as _;

use anyhow::{Context as _, Result};
use bpf_link::{
    AttachType, CgroupIterOrder, IterArgs, IterCgroup, IterTask, LinkCreate, LinkKind, RawLink,
};
use bpf_link_tests::{Hook, Loader, Map, Sandbox};

use crate::harness::{Need, Test, test};
use crate::lister::bpftool;
use crate::suites::golden::recorder::{Known, Recorder};
use crate::suites::golden::{self, Case};

/// An iterator over everything of a target, which needs the target.
macro_rules! everything {
    ($name:literal, $target:literal) => {
        Case::new($name, &[Need::Iterator($target)], |_sandbox, recorder| {
            record(recorder, $target, None)
        })
    };
}

/// Cgroups and tasks, since Linux 6.1.
const TASKS: &[Need] = &[Need::Member("bpf_link_info", "iter.task")];

pub(crate) const TESTS: &[Test] = &[
    test!(recorded),
    test!(as_bpftool_says).needs(bpftool::NEEDS).minutes(4),
];

pub(crate) const CASES: &[Case] = &[
    Case::new("iter-bpf_map_elem", &[], over_a_map),
    everything!("iter-bpf_link", "bpf_link"),
    everything!("iter-bpf_map", "bpf_map"),
    everything!("iter-bpf_prog", "bpf_prog"),
    everything!("iter-dmabuf", "dmabuf"),
    everything!("iter-ipv6_route", "ipv6_route"),
    everything!("iter-kmem_cache", "kmem_cache"),
    everything!("iter-ksym", "ksym"),
    everything!("iter-netlink", "netlink"),
    everything!("iter-task", "task"),
    everything!("iter-task_file", "task_file"),
    everything!("iter-task_vma", "task_vma"),
    everything!("iter-tcp", "tcp"),
    everything!("iter-udp", "udp"),
    everything!("iter-unix", "unix"),
    Case::new("iter-sockmap", &[Need::Iterator("sockmap")], over_sockets),
    Case::new("iter-cgroup", TASKS, over_cgroups),
    Case::new("iter-task-tid", TASKS, over_a_thread),
    Case::new("iter-task-pid", TASKS, over_a_process),
];

fn recorded(sandbox: &Sandbox) -> Result<()> {
    golden::run(sandbox, CASES)
}

fn as_bpftool_says(sandbox: &Sandbox) -> Result<()> {
    golden::each(sandbox, CASES, &bpftool::compare)
}

fn record(recorder: &Recorder<'_>, target: &str, args: Option<IterArgs<'_>>) -> Result<()> {
    let program = Loader::new(Hook::ITERATOR)
        .function(&format!("bpf_iter_{target}"))?
        .returning(0)?;
    let mut request = LinkCreate::new(&program, AttachType::TraceIter);
    if let Some(args) = args {
        request = request.args(args);
    }
    let link = RawLink::create(&request).context("creating the link")?;
    let known = Known::of(LinkKind::Iter, &program)?.named(target);
    recorder.record(&link, &known)
}

fn over_a_map(_sandbox: &Sandbox, recorder: &Recorder<'_>) -> Result<()> {
    let map = Map::hash(4, 8, 3)?;
    record(recorder, "bpf_map_elem", Some(IterArgs::map(&map)))
}

fn over_sockets(_sandbox: &Sandbox, recorder: &Recorder<'_>) -> Result<()> {
    let map = Map::sockmap(2)?;
    record(recorder, "sockmap", Some(IterArgs::map(&map)))
}

fn over_cgroups(sandbox: &Sandbox, recorder: &Recorder<'_>) -> Result<()> {
    let top = sandbox.new_cgroup("golden")?;
    let args = IterArgs::Cgroup {
        cgroup: IterCgroup::Fd(top.as_fd()),
        order: CgroupIterOrder::AncestorsUp,
    };
    record(recorder, "cgroup", Some(args))
}

fn over_a_thread(_sandbox: &Sandbox, recorder: &Recorder<'_>) -> Result<()> {
    let task = IterTask::Tid(std::process::id());
    record(recorder, "task", Some(IterArgs::Task(task)))
}

fn over_a_process(_sandbox: &Sandbox, recorder: &Recorder<'_>) -> Result<()> {
    let task = IterTask::Pid(std::process::id());
    record(recorder, "task", Some(IterArgs::Task(task)))
}
