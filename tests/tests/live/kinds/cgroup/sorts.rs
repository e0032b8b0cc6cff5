//! Every sort of cgroup link, attached through its type with every option that it has.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bpf_link::Hook as QueriedHook;
use bpf_link_sys::{
    BPF_PROG_TYPE_CGROUP_DEVICE, BPF_PROG_TYPE_CGROUP_SKB, BPF_PROG_TYPE_CGROUP_SOCK,
    BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_PROG_TYPE_CGROUP_SOCKOPT, BPF_PROG_TYPE_CGROUP_SYSCTL,
    BPF_PROG_TYPE_SOCK_OPS,
};
use bpf_link_tests::{Cgroup, Hook, Loader, PATIENCE, Program, Sandbox};
use bpf_link_typed::{CgroupAttach, CgroupHook, FileRef, LinkAnchor, Position};
use serde_json::json;

use crate::fixture::traffic::send_packet;
use crate::harness::{Need, Test, test};
use crate::suites::conformance::Counting;
use crate::suites::sorts::SubKind;

/// Positions, preorder and revisions, since Linux 6.17.
const ORDER: &[Need] = &[Need::Member("cgroup_bpf", "revisions")];

pub(crate) const TESTS: &[Test] = &[
    test!(addresses_of_ipv4),
    test!(addresses_of_ipv6),
    test!(addresses_of_unix).needs(&[Need::Constant("bpf_attach_type", "BPF_CGROUP_UNIX_CONNECT")]),
    test!(before_all_others).needs(ORDER),
    test!(in_a_place).needs(ORDER),
    test!(packets),
    test!(security_hook).needs(&[
        Need::Trampoline,
        Need::Constant("bpf_attach_type", "BPF_LSM_CGROUP"),
        Need::SecurityModule("bpf"),
    ]),
    test!(settings),
    test!(sockets),
];

/// Checks hooks one after the other, each of which is run by what this process does in the cgroup.
fn check(
    sandbox: &Sandbox,
    program_type: u32,
    hooks: &[CgroupHook],
    event: &dyn Fn() -> Result<()>,
) -> Result<()> {
    let cgroup = sandbox.new_cgroup("sub")?;
    for &hook in hooks {
        let load = || Counting::program(Hook::new(program_type, hook.attach_type().as_raw(), 1));
        check_one(sandbox, (&cgroup, hook), load, event).with_context(|| format!("{hook:?}"))?;
    }
    Ok(())
}

fn check_one(
    sandbox: &Sandbox,
    (cgroup, hook): (&Cgroup, CgroupHook),
    load: impl Fn() -> Result<Counting>,
    event: &dyn Fn() -> Result<()>,
) -> Result<()> {
    check_with(sandbox, (cgroup, hook), load, event, &|to| Ok(to))
}

/// With the options that are added to each attachment.
fn check_with<'a>(
    sandbox: &Sandbox,
    (cgroup, hook): (&'a Cgroup, CgroupHook),
    load: impl Fn() -> Result<Counting>,
    event: &dyn Fn() -> Result<()>,
    options: &dyn Fn(CgroupAttach<'a>) -> Result<CgroupAttach<'a>>,
) -> Result<()> {
    SubKind {
        sandbox,
        programs: [load()?, load()?],
        attach: &|program| {
            let to = options(CgroupAttach::to(FileRef::fd(cgroup), hook))?;
            Ok(to.attach(program)?.into())
        },
        info: &|_| Ok(json!({ "cgroup_id": cgroup.id()?, "attach_type": hook.attach_type() })),
        event: &|_| cgroup.inside(event),
    }
    .check()
}

fn egress() -> Result<Counting> {
    Counting::program(Hook::CGROUP_EGRESS)
}

fn packets(sandbox: &Sandbox) -> Result<()> {
    let hooks = [CgroupHook::InetIngress, CgroupHook::InetEgress];
    check(sandbox, BPF_PROG_TYPE_CGROUP_SKB, &hooks, &send_packet)
}

fn listener(address: impl Into<IpAddr>) -> Result<TcpListener> {
    Ok(TcpListener::bind((address.into(), 0))?)
}

fn sockets(sandbox: &Sandbox) -> Result<()> {
    let hooks = [
        CgroupHook::InetSockCreate,
        CgroupHook::InetSockRelease,
        CgroupHook::Inet4PostBind,
        CgroupHook::Inet6PostBind,
    ];
    check(sandbox, BPF_PROG_TYPE_CGROUP_SOCK, &hooks, &|| {
        drop(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?);
        drop(UdpSocket::bind((Ipv6Addr::LOCALHOST, 0))?);
        Ok(())
    })?;
    let hooks = [CgroupHook::SockOps];
    check(sandbox, BPF_PROG_TYPE_SOCK_OPS, &hooks, &|| {
        let listener = listener(Ipv4Addr::LOCALHOST)?;
        drop(TcpStream::connect(listener.local_addr()?)?);
        Ok(())
    })
}

/// Does all that has an address with it, over one family.
fn use_addresses(address: IpAddr) -> Result<()> {
    let listener = listener(address)?;
    let mut stream = TcpStream::connect(listener.local_addr()?)?;
    // The names are asked for of a stream, and the addresses given with a datagram.
    ensure!(stream.peer_addr()?.ip() == address && stream.local_addr()?.ip() == address);
    let (mut there, _) = listener.accept()?;
    stream.write_all(b"word")?;
    there.read_exact(&mut [0; 4])?;

    let socket = UdpSocket::bind((address, 0))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.send_to(b"word", socket.local_addr()?)?;
    let (length, from) = socket.recv_from(&mut [0; 4])?;
    ensure!(length == 4 && from.ip() == address);
    Ok(())
}

fn addresses_of_ipv4(sandbox: &Sandbox) -> Result<()> {
    let hooks = [
        CgroupHook::Inet4Bind,
        CgroupHook::Inet4Connect,
        CgroupHook::Inet4Getpeername,
        CgroupHook::Inet4Getsockname,
        CgroupHook::Udp4Sendmsg,
        CgroupHook::Udp4Recvmsg,
    ];
    check(sandbox, BPF_PROG_TYPE_CGROUP_SOCK_ADDR, &hooks, &|| {
        use_addresses(Ipv4Addr::LOCALHOST.into())
    })
}

fn addresses_of_ipv6(sandbox: &Sandbox) -> Result<()> {
    let hooks = [
        CgroupHook::Inet6Bind,
        CgroupHook::Inet6Connect,
        CgroupHook::Inet6Getpeername,
        CgroupHook::Inet6Getsockname,
        CgroupHook::Udp6Sendmsg,
        CgroupHook::Udp6Recvmsg,
    ];
    check(sandbox, BPF_PROG_TYPE_CGROUP_SOCK_ADDR, &hooks, &|| {
        use_addresses(Ipv6Addr::LOCALHOST.into())
    })
}

fn addresses_of_unix(sandbox: &Sandbox) -> Result<()> {
    let hooks = [
        CgroupHook::UnixConnect,
        CgroupHook::UnixGetpeername,
        CgroupHook::UnixGetsockname,
        CgroupHook::UnixSendmsg,
        CgroupHook::UnixRecvmsg,
    ];
    let [stream, datagram] = ["stream", "datagram"].map(|name| sandbox.directory().join(name));
    check(sandbox, BPF_PROG_TYPE_CGROUP_SOCK_ADDR, &hooks, &|| {
        let listener = UnixListener::bind(&stream)?;
        let here = UnixStream::connect(&stream)?;
        here.peer_addr()?;
        // Only a socket that has a name is asked for it.
        listener.local_addr()?;
        drop(listener);
        let socket = UnixDatagram::bind(&datagram)?;
        socket.send_to(b"word", &datagram)?;
        let (length, _) = socket.recv_from(&mut [0; 4])?;
        ensure!(length == 4);
        std::fs::remove_file(&stream)?;
        std::fs::remove_file(&datagram)?;
        Ok(())
    })
}

fn settings(sandbox: &Sandbox) -> Result<()> {
    let hooks = [CgroupHook::Device];
    check(sandbox, BPF_PROG_TYPE_CGROUP_DEVICE, &hooks, &|| {
        File::open("/dev/null")?;
        Ok(())
    })?;
    let hooks = [CgroupHook::Sysctl];
    check(sandbox, BPF_PROG_TYPE_CGROUP_SYSCTL, &hooks, &|| {
        std::fs::read_to_string("/proc/sys/kernel/ostype")?;
        Ok(())
    })?;
    let hooks = [CgroupHook::Getsockopt, CgroupHook::Setsockopt];
    check(sandbox, BPF_PROG_TYPE_CGROUP_SOCKOPT, &hooks, &|| {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_read_timeout(Some(Duration::from_secs(1)))?;
        socket.read_timeout()?;
        Ok(())
    })
}

fn security_hook(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("sub")?;
    let load =
        || Counting::loaded(Loader::new(Hook::LSM_CGROUP).function("bpf_lsm_socket_create")?);
    check_one(sandbox, (&cgroup, CgroupHook::Lsm), load, &send_packet)
}

fn before_all_others(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("sub")?;
    let sort = (&cgroup, CgroupHook::InetEgress);
    check_with(sandbox, sort, egress, &send_packet, &|to| Ok(to.preorder()))
}

/// After another program, and only if the list is as it was then.
fn in_a_place(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("sub")?;
    let hook = CgroupHook::InetEgress;
    let other = Program::passing(Hook::CGROUP_EGRESS)?;
    let there = CgroupAttach::to(FileRef::fd(&cgroup), hook).attach(&other)?;
    let place = Position::After(LinkAnchor::link(&there));
    check_with(sandbox, (&cgroup, hook), egress, &send_packet, &|to| {
        let list = QueriedHook::of_fd(hook.attach_type(), &cgroup).query()?;
        let revision = list.revision.context("the list has no revision")?;
        Ok(to.position(place).expected_revision(revision))
    })
}
