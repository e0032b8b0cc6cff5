//! Updates under load: while one thread lets the programs run, another switches the link between
//! the two, and no event is lost or counted twice.

use std::io::Read as _;
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::{Context as _, Result, ensure};
use bpf_link::{AttachType, LinkCreate, RawLink};
use bpf_link_tests::{
    CongestionControl, CounterMap, Device, DeviceKind, Hook, Loader, Map, Netns, Sandbox, device,
    names,
};
use bpf_link_typed::{
    CgroupAttach, CgroupHook, FileRef, IterAttach, Link, NetkitAttach, NetkitHook, NetnsAttach,
    NetnsHook, SockmapAttach, SockmapHook, StructOpsAttach, TcxAttach, TcxHook, XdpAttach, XdpMode,
};
use rustix::net::sockopt::set_tcp_congestion;

use crate::fixture::traffic::{
    connect, exchange, send_frame, send_to_itself, socket_to_itself, without_ipv6,
};
use crate::harness::{Need, Test, test};
use crate::suites::conformance::Counting;

pub(crate) const TESTS: &[Test] = &[
    test!(cgroup_packets),
    test!(cgroup_sockets),
    test!(iter),
    test!(netkit).needs(Need::NETKIT),
    test!(netns_flow_dissector),
    test!(netns_sk_lookup),
    test!(sockmap_messages).needs(Need::SOCKMAP),
    test!(sockmap_packets).needs(Need::SOCKMAP),
    test!(struct_ops).needs(Need::STRUCT_OPS),
    test!(tcx).needs(Need::TCX),
    test!(xdp_in_the_driver).needs(&[Need::Device(DeviceKind::Veth)]),
    test!(xdp_on_loopback),
];

/// How many times a link is switched.
const UPDATES: u32 = 300;

/// After so many of them the sender gets the time for an event. It is odd, so that this comes to
/// both programs.
const UPDATES_TO_AN_EVENT: u32 = 5;

/// What runs the attached program, as often each time.
type Event<'a> = &'a (dyn Fn(&Link) -> Result<()> + Sync);

/// Switches the link from the first to the second and back while events happen, and holds the
/// counters against the events.
fn check(link: impl Into<Link>, programs: [&Counting; 2], event: Event<'_>) -> Result<()> {
    let link = link.into();
    let [first, second] = programs;
    event(&link)?;
    let runs_per_event = first.count()?;
    ensure!(
        runs_per_event > 0 && second.count()? == 0,
        "it is not attached"
    );

    let (events, enough) = (AtomicU64::new(1), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            while !enough.load(Ordering::SeqCst) {
                event(&link)?;
                events.fetch_add(1, Ordering::SeqCst);
            }
            anyhow::Ok(())
        });
        let switched = switch(&link, programs, || {
            // The event that is under way may have begun before the switch.
            let before = events.load(Ordering::SeqCst);
            while events.load(Ordering::SeqCst) < before + 2 && !sender.is_finished() {
                std::thread::yield_now();
            }
        });
        enough.store(true, Ordering::SeqCst);
        let sent = sender.join();
        sent.map_err(|_| anyhow::anyhow!("the sender panicked"))??;
        switched
    })?;

    let (events, counts) = (events.into_inner(), [first.count()?, second.count()?]);
    let [by_first, by_second] = counts;
    ensure!(
        by_first + by_second == runs_per_event * events,
        "{events} events of {runs_per_event} runs, and the programs ran {counts:?} times"
    );
    ensure!(by_first > runs_per_event && by_second > 0, "{counts:?}");
    Ok(())
}

fn switch(link: &Link, programs: [&Counting; 2], let_events_happen: impl Fn()) -> Result<()> {
    let [mut old, mut new] = programs;
    for number in 1..=UPDATES {
        // With and without saying which is expected.
        if number % 4 < 2 {
            link.update(new)?;
        } else {
            link.replace(old, new)?;
        }
        if number % UPDATES_TO_AN_EVENT == 0 {
            let_events_happen();
        }
        std::mem::swap(&mut old, &mut new);
    }
    Ok(())
}

fn two(hook: Hook) -> Result<[Counting; 2]> {
    Ok([Counting::program(hook)?, Counting::program(hook)?])
}

fn cgroup_packets(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("load")?;
    for (hook, of) in [
        (Hook::CGROUP_EGRESS, CgroupHook::InetEgress),
        (Hook::CGROUP_INGRESS, CgroupHook::InetIngress),
        (Hook::CGROUP_SENDMSG4, CgroupHook::Udp4Sendmsg),
    ] {
        let [first, second] = two(hook)?;
        let link = CgroupAttach::to(FileRef::fd(&cgroup), of).attach(&first)?;
        cgroup
            .inside(|| {
                // It is of the cgroup that it was made in.
                let socket = socket_to_itself()?;
                check(link, [&first, &second], &|_| send_to_itself(&socket))
            })
            .with_context(|| format!("{of:?}"))?;
    }
    Ok(())
}

fn cgroup_sockets(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("load")?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let bind = || {
        UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        Ok(())
    };
    let connect = || {
        TcpStream::connect(address)?;
        listener.accept()?;
        Ok(())
    };
    let hooks: [(_, _, &(dyn Fn() -> Result<()> + Sync)); 4] = [
        (Hook::CGROUP_SOCK_CREATE, CgroupHook::InetSockCreate, &bind),
        (Hook::CGROUP_POST_BIND4, CgroupHook::Inet4PostBind, &bind),
        (Hook::CGROUP_BIND4, CgroupHook::Inet4Bind, &bind),
        (Hook::CGROUP_CONNECT4, CgroupHook::Inet4Connect, &connect),
    ];
    for (hook, of, event) in hooks {
        let [first, second] = two(hook)?;
        let link = CgroupAttach::to(FileRef::fd(&cgroup), of).attach(&first)?;
        cgroup
            .inside(|| check(link, [&first, &second], &|_| event()))
            .with_context(|| format!("{of:?}"))?;
    }
    Ok(())
}

/// A run keeps the program that it began with, for the element and for the end.
fn iter(_sandbox: &Sandbox) -> Result<()> {
    let map = Map::hash(4, 4, 1)?;
    map.update(&[0; 4], &[0; 4])?;
    let load = || Counting::loaded(Loader::new(Hook::ITERATOR).function("bpf_iter_bpf_map_elem")?);
    let (first, second) = (load()?, load()?);
    let link = IterAttach::over_map(&map).attach(&first)?;
    check(link, [&first, &second], &|link| {
        let mut nothing = Vec::new();
        link.create_iter()?.read_to_end(&mut nothing)?;
        Ok(())
    })
}

fn netkit(_sandbox: &Sandbox) -> Result<()> {
    without_ipv6()?;
    let device = Device::create(DeviceKind::Netkit, "kit")?;
    let peer = device::index_of(&device::peer_name("kit"))?;
    for (hook, of, from, to) in [
        (
            Hook::NETKIT_PRIMARY,
            NetkitHook::Primary,
            device.index(),
            peer,
        ),
        (Hook::NETKIT_PEER, NetkitHook::Peer, peer, device.index()),
    ] {
        let [first, second] = two(hook)?;
        let link = NetkitAttach::to("kit", of).attach(&first)?;
        check(link, [&first, &second], &|_| send_frame(from, to))
            .with_context(|| format!("{of:?}"))?;
    }
    Ok(())
}

/// A frame that comes past the network stack has its headers looked for.
fn netns_flow_dissector(_sandbox: &Sandbox) -> Result<()> {
    without_ipv6()?;
    let (netns, [first, second]) = (Netns::current()?, two(Hook::FLOW_DISSECTOR)?);
    let to = NetnsAttach::to(FileRef::fd(&netns), NetnsHook::FlowDissector);
    check(to.attach(&first)?, [&first, &second], &|_| send_frame(1, 1))
}

fn netns_sk_lookup(_sandbox: &Sandbox) -> Result<()> {
    let (netns, [first, second]) = (Netns::current()?, two(Hook::SK_LOOKUP)?);
    let to = NetnsAttach::to(FileRef::fd(&netns), NetnsHook::SkLookup);
    let (link, socket) = (to.attach(&first)?, socket_to_itself()?);
    check(link, [&first, &second], &|_| send_to_itself(&socket))
}

/// A socket keeps the programs that the map had when it was put there: each event is on a new one.
fn sockmap_messages(_sandbox: &Sandbox) -> Result<()> {
    let (map, [first, second]) = (Map::sockmap(1)?, two(Hook::SK_MSG_VERDICT)?);
    let link = SockmapAttach::to(&map, SockmapHook::MsgVerdict).attach(&first)?;
    check(link, [&first, &second], &|_| {
        let [here, there] = connect()?;
        map.update(&[0; 4], &here.as_raw_fd().to_ne_bytes())?;
        exchange(&here, &there)
    })
}

fn sockmap_packets(_sandbox: &Sandbox) -> Result<()> {
    let (map, [first, second]) = (Map::sockmap(1)?, two(Hook::SK_SKB_VERDICT)?);
    let link = SockmapAttach::to(&map, SockmapHook::SkbVerdict).attach(&first)?;
    check(link, [&first, &second], &|_| {
        let socket = socket_to_itself()?;
        map.update(&[0; 4], &socket.as_raw_fd().to_ne_bytes())?;
        send_to_itself(&socket)
    })
}

/// The event is that a connection takes the congestion control.
fn struct_ops(_sandbox: &Sandbox) -> Result<()> {
    let name = names::object_name("cc");
    let load = || {
        let counter = CounterMap::new()?;
        let control = CongestionControl::counting_users(&name, &counter)?;
        anyhow::Ok(Counting::map(control.into(), counter))
    };
    let (first, second) = (load()?, load()?);
    let [here, _there] = connect()?;
    check(
        StructOpsAttach::of(&first).attach()?,
        [&first, &second],
        &|_| {
            set_tcp_congestion(&here, &name)?;
            // To take what one has already is no event.
            set_tcp_congestion(&here, "reno")?;
            Ok(())
        },
    )
}

fn tcx(_sandbox: &Sandbox) -> Result<()> {
    let socket = socket_to_itself()?;
    for (hook, of) in [
        (Hook::TCX_INGRESS, TcxHook::Ingress),
        (Hook::TCX_EGRESS, TcxHook::Egress),
    ] {
        let [first, second] = two(hook)?;
        let link = TcxAttach::to("lo", of).attach(&first)?;
        check(link, [&first, &second], &|_| send_to_itself(&socket))
            .with_context(|| format!("{of:?}"))?;
    }
    Ok(())
}

fn xdp_in_the_driver(_sandbox: &Sandbox) -> Result<()> {
    without_ipv6()?;
    let device = Device::create(DeviceKind::Veth, "load")?;
    let peer = device::index_of(&device::peer_name("load"))?;
    let [first, second] = two(Hook::XDP)?;
    let to = XdpAttach::to(device.index()).mode(XdpMode::Drv);
    check(to.attach(&first)?, [&first, &second], &|_| {
        send_frame(peer, device.index())
    })
}

fn xdp_on_loopback(_sandbox: &Sandbox) -> Result<()> {
    let (socket, [first, second]) = (socket_to_itself()?, two(Hook::XDP)?);
    // Loaders that know no types make links like this.
    let request = LinkCreate::new(&first, AttachType::Xdp).target_ifindex(1);
    let link = Link::try_from(RawLink::create(&request)?)?;
    check(link, [&first, &second], &|_| send_to_itself(&socket))
}
