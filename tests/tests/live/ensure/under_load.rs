//! Restarts under load: while a thread makes events, an agent is restarted fifty times, each time
//! with the other of two versions of its program. Where links are updated, each event is counted by
//! one of the two; where links overlap, by one or both.
//!
//! In the long form it is a thousand times. On functions of the kernel it is 20 and 300 times.
//! There the kernel takes long over each: on an emulated Linux 6.12, 52 ms for a kprobe, 98 ms for
//! fentry and 268 ms for `kprobe_multi`, where a program of a cgroup takes 9 ms, with the start of
//! the agent.

mod agent;
mod load;

use std::io::Read as _;
use std::os::fd::{AsFd as _, AsRawFd as _};

use anyhow::{Context as _, Result, ensure};
use bpf_link::RawLink;
use bpf_link_tests::{
    CongestionControl, CounterMap, Device, DeviceKind, Hook, Loader, Map, Program, Sandbox, device,
    names, sys,
};
use rustix::net::sockopt::set_tcp_congestion;

use crate::ensure::suite::Way;
use crate::fixture::traffic::{Wire, connect, send_to_itself, socket_to_itself, without_ipv6};
use crate::harness::{Need, Role, Test, test};
use crate::suites::conformance::Counting;
use load::{Scene, Version, check, check_fewer, check_two_at_once, pin};

pub(crate) const ROLES: &[Role] = agent::ROLES;

/// How many minutes an emulated machine beside others may need.
const LONG: u64 = 5;

const KPROBES: &[Need] = &[Need::Function("register_kprobe")];

/// Before, a tracing program is attached once: after the other version it would have to be loaded
/// anew.
const TRACING_AGAIN: &[Need] = &[Need::Linux(5, 19)];

pub(crate) const TESTS: &[Test] = &[
    test!(cgroup_egress).minutes(LONG),
    test!(cgroup_ingress).minutes(LONG),
    test!(cgroup_sendmsg).minutes(LONG),
    test!(fentry)
        .needs(Need::TRACING)
        .also_needs(TRACING_AGAIN)
        .minutes(LONG),
    test!(iter).minutes(LONG),
    test!(kprobe)
        .needs(Need::PERF_EVENT)
        .also_needs(KPROBES)
        .minutes(LONG),
    test!(kprobe_multi).needs(Need::KPROBE_MULTI).minutes(LONG),
    test!(netfilter).needs(Need::NETFILTER).minutes(LONG),
    test!(netkit).needs(Need::NETKIT).minutes(LONG),
    test!(raw_tracepoint).minutes(LONG),
    test!(sk_lookup).minutes(LONG),
    test!(sockmap).needs(Need::SOCKMAP).minutes(LONG),
    test!(struct_ops).needs(Need::STRUCT_OPS).minutes(LONG),
    test!(tcx_egress).needs(Need::TCX).minutes(LONG),
    test!(tcx_ingress).needs(Need::TCX).minutes(LONG),
    test!(tracepoint).needs(Need::PERF_EVENT).minutes(LONG),
    test!(two_agents_that_replace).minutes(LONG),
    test!(two_agents_that_update).minutes(LONG),
    test!(xdp)
        .needs(&[Need::Device(DeviceKind::Veth)])
        .minutes(LONG),
];

/// Runs the scene in a cgroup, which the sender's socket is of.
fn in_cgroup(
    sandbox: &Sandbox,
    agent: &str,
    hook: Hook,
    check: fn(&Scene<'_>) -> Result<()>,
) -> Result<()> {
    let cgroup = sandbox.new_cgroup("load")?;
    let target = cgroup.path().to_str().context("not UTF-8")?;
    cgroup.inside(|| {
        let socket = socket_to_itself()?;
        check(&Scene::of_programs(
            sandbox,
            agent,
            target,
            Loader::new(hook),
            &|| send_to_itself(&socket),
            Way::InPlace,
        )?)
    })
}

fn cgroup_egress(sandbox: &Sandbox) -> Result<()> {
    in_cgroup(sandbox, "cgroup_egress", Hook::CGROUP_EGRESS, check)
}

fn cgroup_ingress(sandbox: &Sandbox) -> Result<()> {
    in_cgroup(sandbox, "cgroup_ingress", Hook::CGROUP_INGRESS, check)
}

fn cgroup_sendmsg(sandbox: &Sandbox) -> Result<()> {
    in_cgroup(sandbox, "cgroup_sendmsg", Hook::CGROUP_SENDMSG4, check)
}

fn two_agents_that_update(sandbox: &Sandbox) -> Result<()> {
    in_cgroup(
        sandbox,
        "cgroup_egress",
        Hook::CGROUP_EGRESS,
        check_two_at_once,
    )
}

/// Runs the scene with packets over `lo`.
fn over_lo(sandbox: &Sandbox, agent: &str, target: &str, hook: Hook, way: Way) -> Result<()> {
    let socket = socket_to_itself()?;
    check(&Scene::of_programs(
        sandbox,
        agent,
        target,
        Loader::new(hook),
        &|| send_to_itself(&socket),
        way,
    )?)
}

fn sk_lookup(sandbox: &Sandbox) -> Result<()> {
    let netns = "/proc/thread-self/ns/net";
    over_lo(sandbox, "sk_lookup", netns, Hook::SK_LOOKUP, Way::InPlace)
}

fn tcx_ingress(sandbox: &Sandbox) -> Result<()> {
    over_lo(
        sandbox,
        "tcx_ingress",
        "lo",
        Hook::TCX_INGRESS,
        Way::InPlace,
    )
}

/// At one priority there is room for one: what comes in between is counted by nobody, and nothing
/// by both.
fn netfilter(sandbox: &Sandbox) -> Result<()> {
    over_lo(sandbox, "netfilter", "", Hook::NETFILTER, Way::OldFirst)
}

/// Runs the scene with packets from one of a pair of devices to the other. One of the two is the
/// target.
fn over_a_wire(
    sandbox: &Sandbox,
    agent: &str,
    (kind, target): (DeviceKind, &str),
    hook: Hook,
) -> Result<()> {
    without_ipv6()?;
    let receiver = Device::create(kind, "load")?;
    let sender = device::index_of(&device::peer_name("load"))?;
    let wire = Wire::between(sender, receiver.index())?;
    check(&Scene::of_programs(
        sandbox,
        agent,
        target,
        Loader::new(hook),
        &|| wire.send_frame(),
        Way::InPlace,
    )?)
}

fn tcx_egress(sandbox: &Sandbox) -> Result<()> {
    let sender = (DeviceKind::Veth, "load_p");
    over_a_wire(sandbox, "tcx_egress", sender, Hook::TCX_EGRESS)
}

fn xdp(sandbox: &Sandbox) -> Result<()> {
    let receiver = (DeviceKind::Veth, "load");
    over_a_wire(sandbox, "xdp", receiver, Hook::XDP)
}

/// The program for what the peer sends is attached by way of the other device.
fn netkit(sandbox: &Sandbox) -> Result<()> {
    let receiver = (DeviceKind::Netkit, "load");
    over_a_wire(sandbox, "netkit", receiver, Hook::NETKIT_PEER)
}

/// A run keeps the program that it began with. A reader finds a link at the pin at any time.
fn iter(sandbox: &Sandbox) -> Result<()> {
    let map = Map::hash(4, 4, 1)?;
    map.update(&[0; 4], &[0; 4])?;
    let path = pin(sandbox);
    check(&Scene::of_programs(
        sandbox,
        "iter",
        &map.id()?.to_string(),
        Loader::new(Hook::ITERATOR).function("bpf_iter_bpf_map_elem")?,
        &|| {
            let mut iterator = RawLink::from_pinned(&path)?.create_iter()?;
            iterator.read_to_end(&mut Vec::new())?;
            Ok(())
        },
        Way::InPlace,
    )?)
}

/// A socket keeps the program that the map had when it was put there: each event is on a new one.
fn sockmap(sandbox: &Sandbox) -> Result<()> {
    let map = Map::sockmap(1)?;
    check(&Scene::of_programs(
        sandbox,
        "sockmap",
        &map.id()?.to_string(),
        Loader::new(Hook::SK_SKB_VERDICT),
        &|| {
            let socket = socket_to_itself()?;
            map.update(&[0; 4], &socket.as_raw_fd().to_ne_bytes())?;
            send_to_itself(&socket)
        },
        Way::OnlyInPlace,
    )?)
}

/// The event is that a connection takes the congestion control.
fn struct_ops(sandbox: &Sandbox) -> Result<()> {
    let name = names::object_name("cc");
    let load = || {
        let counter = CounterMap::new()?;
        let control = CongestionControl::counting_users(&name, &counter)?;
        Version::map(Counting::map(control.into(), counter))
    };
    let [here, _there] = connect()?;
    check(&Scene {
        sandbox,
        agent: "struct_ops",
        target: "",
        versions: [load()?, load()?],
        event: &|| {
            set_tcp_congestion(&here, &name)?;
            // To take what one has already is no event.
            set_tcp_congestion(&here, "reno")?;
            Ok(())
        },
        way: Way::OnlyInPlace,
    })
}

/// The system call that the sender makes, and nobody else in this process.
fn make_a_system_call() -> Result<()> {
    ensure!(rustix::process::getppid().is_some(), "no parent");
    Ok(())
}

/// Runs the scene with system calls, out of which the program takes those of the sender.
fn over_calls(
    sandbox: &Sandbox,
    agent: &str,
    target: &str,
    loader: Loader<'_>,
    check: fn(&Scene<'_>) -> Result<()>,
) -> Result<()> {
    check(&Scene::of_programs(
        sandbox,
        agent,
        target,
        loader.in_this_process(),
        &make_a_system_call,
        Way::Overlap,
    )?)
}

/// Runs the scene with runs of a program for tests, each of which passes a tracepoint that hardly
/// anybody else passes.
///
/// At the entry of system calls, which everybody passes, the kernel would miss many: see
/// [`Counting::missed`].
fn over_test_runs(sandbox: &Sandbox, check: fn(&Scene<'_>) -> Result<()>) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    check(&Scene::of_programs(
        sandbox,
        "raw_tracepoint",
        "bpf_test_finish",
        Loader::new(Hook::RAW_TRACEPOINT).in_this_process(),
        &|| {
            sys::prog_test_run(program.as_fd(), &[0; 64])?;
            Ok(())
        },
        Way::Overlap,
    )?)
}

fn raw_tracepoint(sandbox: &Sandbox) -> Result<()> {
    over_test_runs(sandbox, check)
}

fn two_agents_that_replace(sandbox: &Sandbox) -> Result<()> {
    over_test_runs(sandbox, check_two_at_once)
}

/// The program is told of each system call, the number of which is the first field.
fn tracepoint(sandbox: &Sandbox) -> Result<()> {
    let tracefs = sandbox.tracefs()?.to_str().context("not UTF-8")?;
    let number = i32::try_from(libc::SYS_getppid)?;
    let loader = Loader::new(Hook::TRACEPOINT).where_context_has(8, number);
    over_calls(sandbox, "tracepoint", tracefs, loader, check)
}

fn kprobe(sandbox: &Sandbox) -> Result<()> {
    let loader = Loader::new(Hook::KPROBE);
    over_calls(sandbox, "kprobe", "", loader, check_fewer)
}

fn kprobe_multi(sandbox: &Sandbox) -> Result<()> {
    let loader = Loader::new(Hook::KPROBE_MULTI);
    over_calls(sandbox, "kprobe_multi", "", loader, check_fewer)
}

/// The event is that the kernel calls its test functions.
fn fentry(sandbox: &Sandbox) -> Result<()> {
    let loader = Loader::new(Hook::FENTRY).function("bpf_fentry_test1")?;
    let caller = loader.passing()?;
    check_fewer(&Scene::of_programs(
        sandbox,
        "tracing",
        "",
        loader.in_this_process(),
        &|| {
            sys::prog_test_run(caller.as_fd(), &[])?;
            Ok(())
        },
        Way::Overlap,
    )?)
}
