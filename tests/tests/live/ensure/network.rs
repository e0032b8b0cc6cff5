//! Links of the network and of cgroups over restarts and upgrades.

use std::os::fd::AsRawFd as _;

use anyhow::Result;
use bpf_link::RawLink;
use bpf_link_tests::{Device, DeviceKind, Hook, Map, Netns, Sandbox, device};
use bpf_link_typed::{
    AttachProgram, CgroupAttach, CgroupHook, FileRef, Link, NetfilterAttach, NetfilterFamily,
    NetfilterHook, NetkitAttach, NetkitHook, NetnsAttach, NetnsHook, SockmapAttach, SockmapHook,
    TcxAttach, TcxHook, Why, XdpAttach,
};

use crate::ensure::suite::{Elsewhere, Subject, Way, check};
use crate::fixture::LOOPBACK;
use crate::fixture::traffic::{connect, exchange, send_frame, send_packet};
use crate::harness::{Need, Test, test};
use crate::suites::conformance::Counting;

pub(crate) const TESTS: &[Test] = &[
    test!(cgroup),
    test!(flow_dissector),
    test!(netfilter).needs(Need::NETFILTER),
    test!(netkit).needs(Need::NETKIT),
    test!(sk_lookup),
    test!(sockmap).needs(Need::SOCKMAP),
    test!(tcx).needs(Need::TCX),
    test!(xdp).needs(&[Need::Device(DeviceKind::Veth)]),
];

/// Takes a program for `hook` through the suite at one place, and to another that differs in nothing else.
fn check_places<A>(
    sandbox: &Sandbox,
    hook: Hook,
    [here, elsewhere]: [A; 2],
    event: &dyn Fn(&RawLink) -> Result<()>,
    way: Way,
) -> Result<()>
where
    A: AttachProgram<Link: Into<Link>> + Clone,
{
    let another_hook = Elsewhere {
        why: Why::OtherHook,
        gap: false,
    };
    check(&Subject {
        elsewhere: Some((
            &|how, path, program| how.run(elsewhere.clone(), path, program),
            another_hook,
        )),
        ..Subject::of_programs(
            sandbox,
            || Counting::program(hook),
            &|how, path, program| how.run(here.clone(), path, program),
            event,
            way,
        )?
    })
}

fn xdp(sandbox: &Sandbox) -> Result<()> {
    let _device = Device::create(DeviceKind::Veth, "other")?;
    let here = XdpAttach::to("lo");
    let elsewhere = XdpAttach::to("other");
    check_places(
        sandbox,
        Hook::XDP,
        [here, elsewhere],
        &|_| send_packet(),
        Way::OnlyInPlace,
    )
}

fn tcx(sandbox: &Sandbox) -> Result<()> {
    let here = TcxAttach::to("lo", TcxHook::Ingress);
    let elsewhere = TcxAttach::to(LOOPBACK, TcxHook::Egress);
    check_places(
        sandbox,
        Hook::TCX_INGRESS,
        [here, elsewhere],
        &|_| send_packet(),
        Way::InPlace,
    )
}

fn netkit(sandbox: &Sandbox) -> Result<()> {
    let device = Device::create(DeviceKind::Netkit, "kit")?;
    let peer = device::index_of(&device::peer_name("kit"))?;
    let here = NetkitAttach::to("kit", NetkitHook::Peer);
    let elsewhere = NetkitAttach::to("kit", NetkitHook::Primary);
    check_places(
        sandbox,
        Hook::NETKIT_PEER,
        [here, elsewhere],
        &|_| send_frame(peer, device.index()),
        Way::InPlace,
    )
}

fn cgroup(sandbox: &Sandbox) -> Result<()> {
    let (cgroup, other) = (sandbox.new_cgroup("here")?, sandbox.new_cgroup("there")?);
    let here = CgroupAttach::to(cgroup.path(), CgroupHook::InetEgress);
    let elsewhere = CgroupAttach::to(FileRef::fd(&other), CgroupHook::InetEgress);
    check_places(
        sandbox,
        Hook::CGROUP_EGRESS,
        [here, elsewhere],
        &|_| cgroup.inside(send_packet),
        Way::InPlace,
    )
}

fn sk_lookup(sandbox: &Sandbox) -> Result<()> {
    let other = Netns::create()?;
    let here = NetnsAttach::to("/proc/thread-self/ns/net", NetnsHook::SkLookup);
    let elsewhere = NetnsAttach::to(FileRef::fd(&other), NetnsHook::SkLookup);
    check_places(
        sandbox,
        Hook::SK_LOOKUP,
        [here, elsewhere],
        &|_| send_packet(),
        Way::InPlace,
    )
}

fn flow_dissector(sandbox: &Sandbox) -> Result<()> {
    let other = Netns::create()?;
    let here = NetnsAttach::to("/proc/thread-self/ns/net", NetnsHook::FlowDissector);
    let elsewhere = NetnsAttach::to(FileRef::fd(&other), NetnsHook::FlowDissector);
    check_places(
        sandbox,
        Hook::FLOW_DISSECTOR,
        [here, elsewhere],
        &|_| send_frame(LOOPBACK, LOOPBACK),
        Way::OnlyInPlace,
    )
}

fn netfilter(sandbox: &Sandbox) -> Result<()> {
    let at =
        |priority| NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::PostRouting, priority);
    check_places(
        sandbox,
        Hook::NETFILTER,
        [at(-10_000), at(-9_999)],
        &|_| send_packet(),
        Way::OldFirst,
    )
}

fn sockmap(sandbox: &Sandbox) -> Result<()> {
    let (map, other) = (Map::sockmap(1)?, Map::sockmap(1)?);
    let here = SockmapAttach::to(&map, SockmapHook::MsgVerdict);
    let elsewhere = SockmapAttach::to(&other, SockmapHook::MsgVerdict);
    check_places(
        sandbox,
        Hook::SK_MSG_VERDICT,
        [here, elsewhere],
        &|_| {
            let [here, there] = connect()?;
            map.update(&0u32.to_ne_bytes(), &here.as_raw_fd().to_ne_bytes())?;
            exchange(&here, &there)
        },
        Way::OnlyInPlace,
    )
}
