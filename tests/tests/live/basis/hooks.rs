//! The programs that tests attach: on a kernel that has a hook, the program for it loads.

use anyhow::Result;
use bpf_link_tests::{Hook, Loader, Program, Sandbox};

use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(every_kernel),
    test!(kprobe_multi).needs(Need::KPROBE_MULTI),
    test!(lsm).needs(Need::LSM),
    test!(netfilter).needs(Need::NETFILTER),
    test!(netkit).needs(Need::NETKIT),
    test!(perf_event).needs(Need::PERF_EVENT),
    test!(sockmap).needs(Need::SOCKMAP),
    test!(tcx).needs(Need::TCX),
    test!(tracing).needs(Need::TRACING),
    test!(tracing_multi).needs(Need::TRACING_MULTI),
    test!(typed_raw_tracepoint),
    test!(uprobe_multi).needs(Need::UPROBE_MULTI),
];

fn load(hooks: &[Hook]) -> Result<()> {
    for &hook in hooks {
        Program::passing(hook)?;
    }
    Ok(())
}

fn every_kernel(_sandbox: &Sandbox) -> Result<()> {
    load(&[
        Hook::CGROUP_INGRESS,
        Hook::CGROUP_EGRESS,
        Hook::CGROUP_SOCK_CREATE,
        Hook::CGROUP_SOCK_RELEASE,
        Hook::CGROUP_POST_BIND4,
        Hook::CGROUP_BIND4,
        Hook::CGROUP_CONNECT4,
        Hook::CGROUP_CONNECT6,
        Hook::CGROUP_SENDMSG4,
        Hook::CGROUP_SOCK_OPS,
        Hook::CGROUP_DEVICE,
        Hook::CGROUP_SYSCTL,
        Hook::CGROUP_GETSOCKOPT,
        Hook::CGROUP_SETSOCKOPT,
        Hook::FLOW_DISSECTOR,
        Hook::SK_LOOKUP,
        Hook::XDP,
        Hook::XDP_UNTYPED,
        Hook::RAW_TRACEPOINT,
        Hook::TRACEPOINT,
        Hook::PERF_EVENT,
        Hook::KPROBE,
    ])
}

fn kprobe_multi(_sandbox: &Sandbox) -> Result<()> {
    load(&[Hook::KPROBE_MULTI])
}

fn lsm(_sandbox: &Sandbox) -> Result<()> {
    Loader::new(Hook::LSM)
        .function("bpf_lsm_file_open")?
        .returning(0)?;
    Ok(())
}

fn netfilter(_sandbox: &Sandbox) -> Result<()> {
    load(&[Hook::NETFILTER])
}

fn netkit(_sandbox: &Sandbox) -> Result<()> {
    load(&[Hook::NETKIT_PRIMARY, Hook::NETKIT_PEER])
}

fn perf_event(_sandbox: &Sandbox) -> Result<()> {
    load(&[Hook::PERF_EVENT, Hook::TRACEPOINT])
}

fn sockmap(_sandbox: &Sandbox) -> Result<()> {
    load(&[
        Hook::SK_MSG_VERDICT,
        Hook::SK_SKB_VERDICT,
        Hook::SK_SKB_STREAM_VERDICT,
    ])
}

fn tcx(_sandbox: &Sandbox) -> Result<()> {
    load(&[Hook::TCX_INGRESS, Hook::TCX_EGRESS])
}

fn tracing(_sandbox: &Sandbox) -> Result<()> {
    Loader::new(Hook::FENTRY)
        .function("bpf_fentry_test1")?
        .returning(0)?;
    Loader::new(Hook::FEXIT)
        .function("bpf_fentry_test1")?
        .returning(0)?;
    Loader::new(Hook::MODIFY_RETURN)
        .function("security_task_getpgid")?
        .returning(0)?;
    Ok(())
}

fn typed_raw_tracepoint(_sandbox: &Sandbox) -> Result<()> {
    Loader::new(Hook::TYPED_RAW_TRACEPOINT)
        .tracepoint("sched_switch")?
        .returning(0)?;
    Ok(())
}

fn tracing_multi(_sandbox: &Sandbox) -> Result<()> {
    load(&[Hook::FENTRY_MULTI, Hook::FEXIT_MULTI])
}

fn uprobe_multi(_sandbox: &Sandbox) -> Result<()> {
    load(&[Hook::UPROBE_MULTI])
}
