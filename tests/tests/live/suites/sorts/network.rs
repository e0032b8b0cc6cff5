//! Network devices and namespaces, netfilter, sockets in maps, and congestion controls.

use std::net::TcpStream;
use std::os::fd::{AsFd as _, AsRawFd as _};

use anyhow::{Context as _, Result};
use bpf_link::Hook as QueriedHook;
use bpf_link_sys::{BPF_MAP_TYPE_SOCKHASH, BPF_SK_SKB_STREAM_PARSER};
use bpf_link_tests::{
    CongestionControl, CounterMap, Device, DeviceKind, Hook, Map, Netns, Sandbox, device, names,
    sys,
};
use bpf_link_typed::{
    Anchor, FileRef, Link, NetfilterAttach, NetfilterFamily, NetfilterHook, NetkitAttach,
    NetkitHook, NetnsAttach, NetnsHook, Position, SockmapAttach, SockmapHook, StructOpsAttach,
    TcxAttach, TcxHook, XdpAttach, XdpMode,
};
use rustix::io::Errno;
use rustix::net::sockopt::set_tcp_congestion;
use serde_json::json;

use super::SubKind;
use crate::fixture::LOOPBACK;
use crate::fixture::traffic::{
    MESSAGE, connect, exchange, send_frame, send_packet, send_packet_over_ipv6,
};
use crate::harness::{Need, Test, test};
use crate::suites::conformance::Counting;

/// What puts the fragments of IPv4 packets together, which some kernels have as a module.
const DEFRAGMENTATION: &[Need] = &[Need::Function("nf_defrag_ipv4_enable"), Need::Linux(6, 6)];

pub(crate) const TESTS: &[Test] = &[
    test!(netfilter_ipv4).needs(Need::NETFILTER),
    test!(netfilter_ipv6).needs(Need::NETFILTER),
    test!(netfilter_defragmented)
        .needs(Need::NETFILTER)
        .also_needs(DEFRAGMENTATION),
    test!(netkit_peer).needs(Need::NETKIT),
    test!(netkit_primary).needs(Need::NETKIT),
    test!(netns_flow_dissector),
    test!(netns_sk_lookup),
    test!(sockmap_message_verdict).needs(Need::SOCKMAP),
    test!(sockmap_packet_verdict).needs(Need::SOCKMAP),
    test!(sockmap_stream_parser).needs(Need::SOCKMAP),
    test!(sockmap_stream_verdict).needs(Need::SOCKMAP),
    test!(struct_ops).needs(Need::STRUCT_OPS),
    test!(tcx_egress).needs(Need::TCX),
    test!(tcx_ingress).needs(Need::TCX),
    test!(xdp_in_the_driver).needs(&[Need::Device(DeviceKind::Veth)]),
    test!(xdp_in_whichever_mode),
    test!(xdp_on_packets),
];

fn two(hook: Hook) -> Result<[Counting; 2]> {
    Ok([Counting::program(hook)?, Counting::program(hook)?])
}

fn netfilter(
    sandbox: &Sandbox,
    to: NetfilterAttach,
    (family, hook, priority, flags): (u32, u32, i32, &str),
    event: fn() -> Result<()>,
) -> Result<()> {
    SubKind {
        sandbox,
        programs: two(Hook::NETFILTER)?,
        attach: &|program| Ok(to.attach(program)?.into()),
        info: &|_| {
            Ok(json!({ "family": family, "hook": hook, "priority": priority, "flags": flags }))
        },
        event: &|_| event(),
    }
    .check()
}

fn netfilter_ipv4(sandbox: &Sandbox) -> Result<()> {
    let hook = NetfilterHook::PostRouting;
    let to = NetfilterAttach::to(NetfilterFamily::Ipv4, hook, -10_000);
    netfilter(sandbox, to, (2, 4, -10_000, ""), send_packet)
}

fn netfilter_ipv6(sandbox: &Sandbox) -> Result<()> {
    let hook = NetfilterHook::LocalIn;
    let to = NetfilterAttach::to(NetfilterFamily::Ipv6, hook, 10_001);
    netfilter(sandbox, to, (10, 1, 10_001, ""), send_packet_over_ipv6)
}

fn netfilter_defragmented(sandbox: &Sandbox) -> Result<()> {
    let hook = NetfilterHook::PreRouting;
    let to = NetfilterAttach::to(NetfilterFamily::Ipv4, hook, -399).defragmented();
    netfilter(sandbox, to, (2, 0, -399, "IP_DEFRAG"), send_packet)
}

/// Behind another program, and only if the list is as it was then.
fn netkit(sandbox: &Sandbox, (hook, of): (Hook, NetkitHook)) -> Result<()> {
    let device = Device::create(DeviceKind::Netkit, "kit")?;
    let (primary, peer) = (device.index(), device::index_of(&device::peer_name("kit"))?);
    let (from, to) = match of {
        NetkitHook::Peer => (peer, primary),
        _ => (primary, peer),
    };
    let other = Counting::program(hook)?;
    let there = NetkitAttach::to("kit", of).attach(&other)?;
    let place = Position::After(Anchor::link(&there));
    SubKind {
        sandbox,
        programs: two(hook)?,
        attach: &|program| {
            let list = QueriedHook::of_device(of.attach_type(), primary).query()?;
            let revision = list.revision.context("the list has no revision")?;
            let to = NetkitAttach::to(primary, of).position(place);
            Ok(to.expected_revision(revision).attach(program)?.into())
        },
        info: &|_| Ok(json!({ "ifindex": from, "attach_type": of.attach_type() })),
        event: &|_| send_frame(from, to),
    }
    .check()
}

fn netkit_peer(sandbox: &Sandbox) -> Result<()> {
    netkit(sandbox, (Hook::NETKIT_PEER, NetkitHook::Peer))
}

fn netkit_primary(sandbox: &Sandbox) -> Result<()> {
    netkit(sandbox, (Hook::NETKIT_PRIMARY, NetkitHook::Primary))
}

fn netns(
    sandbox: &Sandbox,
    (hook, of): (Hook, NetnsHook),
    event: fn() -> Result<()>,
) -> Result<()> {
    let netns = Netns::current()?;
    SubKind {
        sandbox,
        programs: two(hook)?,
        attach: &|program| {
            Ok(NetnsAttach::to(FileRef::fd(&netns), of)
                .attach(program)?
                .into())
        },
        info: &|_| Ok(json!({ "netns_ino": netns.inode()?, "attach_type": of.attach_type() })),
        event: &|_| event(),
    }
    .check()
}

fn netns_flow_dissector(sandbox: &Sandbox) -> Result<()> {
    let sort = (Hook::FLOW_DISSECTOR, NetnsHook::FlowDissector);
    // A frame that comes past the network stack has its headers looked for.
    netns(sandbox, sort, || send_frame(LOOPBACK, LOOPBACK))
}

fn netns_sk_lookup(sandbox: &Sandbox) -> Result<()> {
    let sort = (Hook::SK_LOOKUP, NetnsHook::SkLookup);
    netns(sandbox, sort, send_packet)
}

fn insert(map: &Map, socket: &TcpStream) -> Result<()> {
    map.update(&[0; 4], &socket.as_raw_fd().to_ne_bytes())
}

/// A socket keeps the programs that the map had when it was put there: each time it has to be a new one.
fn receive_in(map: &Map) -> Result<()> {
    let [here, there] = connect()?;
    insert(map, &there)?;
    exchange(&here, &there)
}

fn send_from(map: &Map) -> Result<()> {
    let [here, there] = connect()?;
    insert(map, &here)?;
    exchange(&here, &there)
}

/// Of an array and of a table.
fn sockmap(
    sandbox: &Sandbox,
    (hook, of): (Hook, SockmapHook),
    event: fn(&Map) -> Result<()>,
) -> Result<()> {
    for map in [Map::sockmap(1)?, Map::new(BPF_MAP_TYPE_SOCKHASH, 4, 4, 1)?] {
        // Only who judges a message has its end looked for.
        let verdict = Counting::program(Hook::SK_SKB_STREAM_VERDICT)?;
        let to = SockmapAttach::to(&map, SockmapHook::SkbStreamVerdict);
        let _verdict = match of {
            SockmapHook::SkbStreamParser => Some(to.attach(&verdict)?),
            _ => None,
        };
        SubKind {
            sandbox,
            programs: two(hook)?,
            attach: &|program| Ok(SockmapAttach::to(&map, of).attach(program)?.into()),
            info: &|_| Ok(json!({ "map_id": map.id()?, "attach_type": of.attach_type() })),
            event: &|_| event(&map),
        }
        .check()?;
    }
    Ok(())
}

fn sockmap_message_verdict(sandbox: &Sandbox) -> Result<()> {
    let sort = (Hook::SK_MSG_VERDICT, SockmapHook::MsgVerdict);
    sockmap(sandbox, sort, send_from)
}

fn sockmap_packet_verdict(sandbox: &Sandbox) -> Result<()> {
    let sort = (Hook::SK_SKB_VERDICT, SockmapHook::SkbVerdict);
    sockmap(sandbox, sort, receive_in)
}

fn sockmap_stream_verdict(sandbox: &Sandbox) -> Result<()> {
    let sort = (Hook::SK_SKB_STREAM_VERDICT, SockmapHook::SkbStreamVerdict);
    sockmap(sandbox, sort, receive_in)
}

fn sockmap_stream_parser(sandbox: &Sandbox) -> Result<()> {
    let program_type = Hook::SK_SKB_STREAM_VERDICT.program_type;
    let message_length = i32::try_from(MESSAGE.len())?;
    let hook = Hook::new(program_type, BPF_SK_SKB_STREAM_PARSER, message_length);
    sockmap(sandbox, (hook, SockmapHook::SkbStreamParser), receive_in)
}

fn struct_ops(sandbox: &Sandbox) -> Result<()> {
    let name = names::object_name("cc");
    let load = || {
        let counter = CounterMap::new()?;
        let control = CongestionControl::counting_users(&name, &counter)?;
        anyhow::Ok(Counting::map(control.into(), counter))
    };
    let programs = [load()?, load()?];
    SubKind {
        sandbox,
        programs,
        attach: &|map| Ok(StructOpsAttach::of(map).attach()?.into()),
        info: &|map| Ok(json!({ "map_id": sys::map_info(map.as_fd())?.id })),
        event: &|_| {
            let [here, _there] = connect()?;
            match set_tcp_congestion(&here, &name) {
                // There is none of this name once the link has gone.
                Ok(()) | Err(Errno::NOENT) => Ok(()),
                Err(error) => Err(error.into()),
            }
        },
    }
    .check()
}

/// Behind another program, and only if the list is as it was then.
fn tcx(sandbox: &Sandbox, (hook, of): (Hook, TcxHook)) -> Result<()> {
    let other = Counting::program(hook)?;
    let there = TcxAttach::to("lo", of).attach(&other)?;
    let place = Position::After(Anchor::link(&there));
    SubKind {
        sandbox,
        programs: two(hook)?,
        attach: &|program| {
            let list = QueriedHook::of_device(of.attach_type(), LOOPBACK).query()?;
            let revision = list.revision.context("the list has no revision")?;
            let to = TcxAttach::to("lo", of).position(place);
            Ok(to.expected_revision(revision).attach(program)?.into())
        },
        info: &|_| Ok(json!({ "ifindex": LOOPBACK, "attach_type": of.attach_type() })),
        event: &|_| send_packet(),
    }
    .check()
}

fn tcx_egress(sandbox: &Sandbox) -> Result<()> {
    tcx(sandbox, (Hook::TCX_EGRESS, TcxHook::Egress))
}

fn tcx_ingress(sandbox: &Sandbox) -> Result<()> {
    tcx(sandbox, (Hook::TCX_INGRESS, TcxHook::Ingress))
}

fn xdp(
    sandbox: &Sandbox,
    (to, ifindex): (&XdpAttach, u32),
    event: &dyn Fn(Option<&Link>) -> Result<()>,
) -> Result<()> {
    SubKind {
        sandbox,
        programs: two(Hook::XDP)?,
        attach: &|program| Ok(to.attach(program)?.into()),
        info: &|_| Ok(json!({ "ifindex": ifindex })),
        event,
    }
    .check()
}

fn xdp_in_the_driver(sandbox: &Sandbox) -> Result<()> {
    let device = Device::create(DeviceKind::Veth, "driver")?;
    let (index, peer) = (
        device.index(),
        device::index_of(&device::peer_name("driver"))?,
    );
    let to = XdpAttach::to("driver").mode(XdpMode::Drv);
    xdp(sandbox, (&to, index), &|_| send_frame(peer, index))
}

fn xdp_in_whichever_mode(sandbox: &Sandbox) -> Result<()> {
    xdp(sandbox, (&XdpAttach::to("lo"), LOOPBACK), &|_| {
        send_packet()
    })
}

fn xdp_on_packets(sandbox: &Sandbox) -> Result<()> {
    let to = XdpAttach::to(LOOPBACK).mode(XdpMode::Skb);
    xdp(sandbox, (&to, LOOPBACK), &|_| send_packet())
}
