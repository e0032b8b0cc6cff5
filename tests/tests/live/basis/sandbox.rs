//! The sandbox, and what tests are made of: shown by bare system calls, before anything is tested
//! with it.

use std::hint::black_box;
use std::net::UdpSocket;
use std::os::fd::AsFd as _;
use std::path::Path;

use anyhow::{Result, ensure};
use bpf_link_sys::{
    BPF_CGROUP_INET_EGRESS, BPF_PERF_EVENT, BPF_STRUCT_OPS, BPF_TRACE_ITER, BPF_XDP,
};
use bpf_link_tests::links::LinkInfo;
use bpf_link_tests::sys::{self, LinkTarget};
use bpf_link_tests::{
    CongestionControl, CounterMap, Device, DeviceKind, Hook, Netns, PerfEvent, ProbeAt, Program,
    Sandbox, device, eventually_holds, iterator, links, own_code, pins,
};

use crate::harness::{Need, Role, Test, role, test};

pub(crate) const TESTS: &[Test] = &[
    test!(a_link_counts_packets_until_it_is_closed),
    test!(a_role_answers_and_is_killed),
    test!(an_iterator_writes_a_line_for_each_map),
    test!(a_perf_event_runs_its_program).needs(Need::PERF_EVENT),
    test!(a_uprobe_runs_its_program)
        .needs(Need::PERF_EVENT)
        .also_needs(&[Need::Function("uprobe_mmap")]),
    test!(a_congestion_control_is_linked)
        .needs(Need::STRUCT_OPS)
        .alone(),
    test!(a_device_goes_with_its_network_namespace).needs(&[Need::Device(DeviceKind::Veth)]),
    test!(the_two_bpffs_are_two),
];

pub(crate) const ROLES: &[Role] = &[role!(echo)];

/// Sends a packet over `lo` from inside the cgroup of the calling process.
fn send_packet() -> Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.send_to(b"packet", "127.0.0.1:9")?;
    Ok(())
}

fn a_link_counts_packets_until_it_is_closed(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("count")?;
    let counter = CounterMap::new()?;
    let program = Program::counting(Hook::CGROUP_EGRESS, &counter)?;
    let target = LinkTarget::Fd(cgroup.as_fd());
    let link = sys::link_create(program.as_fd(), target, BPF_CGROUP_INET_EGRESS, 0)?;
    let id = LinkInfo::of(&link)?.id();
    ensure!(links::exists(id)?, "link {id} is not there");

    cgroup.inside(send_packet)?;
    let sent = counter.read()?;
    ensure!(sent > 0, "the program has not run");

    drop(link);
    eventually_holds("the link has gone", || Ok(!links::exists(id)?))?;
    // The kernel removes the id first, and takes the program off after that.
    eventually_holds("the program is off", || {
        let before = counter.read()?;
        cgroup.inside(send_packet)?;
        Ok(counter.read()? == before)
    })
}

fn a_role_answers_and_is_killed(_sandbox: &Sandbox) -> Result<()> {
    let mut player = role!(echo).start(&["first"])?;
    ensure!(player.hear()? == "first");
    player.tell("second")?;
    ensure!(player.hear()? == "second");
    player.kill()?;

    let mut player = role!(echo).start(&["third"])?;
    ensure!(player.hear()? == "third");
    player.finish()
}

/// Says what it is told.
fn echo(arguments: &[String]) -> Result<()> {
    for argument in arguments {
        role::say(argument)?;
    }
    while let Some(line) = role::listen()? {
        role::say(&line)?;
    }
    Ok(())
}

fn an_iterator_writes_a_line_for_each_map(sandbox: &Sandbox) -> Result<()> {
    let program = iterator("bpf_map", *b"element\n")?;
    let link = sys::link_create(program.as_fd(), LinkTarget::None, BPF_TRACE_ITER, 0)?;
    let path = sandbox.bpffs().join("maps");
    pins::pin(&link, &path)?;
    let map = CounterMap::new()?;
    let written = std::fs::read_to_string(&path)?;
    ensure!(
        written.lines().all(|line| line == "element"),
        "the iterator wrote {written}"
    );
    ensure!(written.lines().count() >= 1, "the iterator wrote nothing");
    std::fs::remove_file(&path)?;
    drop(map);
    Ok(())
}

fn a_perf_event_runs_its_program(sandbox: &Sandbox) -> Result<()> {
    let event = PerfEvent::tracepoint(sandbox, "sched", "sched_switch")?;
    let counter = CounterMap::new()?;
    let program = Program::counting(Hook::TRACEPOINT, &counter)?;
    let target = LinkTarget::Fd(event.as_fd());
    let link = sys::link_create(program.as_fd(), target, BPF_PERF_EVENT, 0)?;
    event.enable()?;
    eventually_holds("the program has run", || Ok(counter.read()? > 0))?;
    event.disable()?;
    drop(link);
    Ok(())
}

fn a_uprobe_runs_its_program(_sandbox: &Sandbox) -> Result<()> {
    #[inline(never)]
    extern "C" fn probed(value: u32) -> u32 {
        black_box(value)
    }

    let offset = own_code::offset_of(probed as *const ())?;
    let event = PerfEvent::uprobe(Path::new(own_code::FILE), offset, ProbeAt::Entry)?;
    let counter = CounterMap::new()?;
    let program = Program::counting(Hook::KPROBE, &counter)?;
    let link = sys::link_create(
        program.as_fd(),
        LinkTarget::Fd(event.as_fd()),
        BPF_PERF_EVENT,
        0,
    )?;
    probed(1);
    ensure!(
        counter.read()? == 1,
        "the program ran {} times",
        counter.read()?
    );
    drop(link);
    Ok(())
}

/// This one looks at all links.
fn a_congestion_control_is_linked(_sandbox: &Sandbox) -> Result<()> {
    let name = "sandbox_cc";
    let control = CongestionControl::new(name)?;
    let link = sys::link_create(control.as_fd(), LinkTarget::None, BPF_STRUCT_OPS, 0)?;
    let info = LinkInfo::of(&link)?;
    ensure!(info.u32_at(16) == control.id()?);
    let known = "/proc/sys/net/ipv4/tcp_available_congestion_control";
    ensure!(std::fs::read_to_string(known)?.contains(name));
    let mine = links::ours()?;
    ensure!(mine.iter().any(|found| found.id == info.id()), "{mine:?}");
    Ok(())
}

fn a_device_goes_with_its_network_namespace(_sandbox: &Sandbox) -> Result<()> {
    let device = Device::create(DeviceKind::Veth, "sandbox")?;
    ensure!(device::index_of(&device::peer_name("sandbox"))? != device.index());
    device.delete()?;
    ensure!(device::index_of("sandbox").is_err());

    let here = Netns::current()?;
    let other = Netns::create()?;
    ensure!(here.inode()? != other.inode()?);
    let program = Program::passing(Hook::XDP)?;
    let link = other.inside(|| {
        let inside = Device::create(DeviceKind::Veth, "inside")?;
        let target = LinkTarget::Ifindex(inside.index());
        // The device stays until its namespace is gone.
        std::mem::forget(inside);
        Ok(sys::link_create(program.as_fd(), target, BPF_XDP, 0)?)
    })?;
    ensure!(device::index_of("inside").is_err());
    drop(other);
    eventually_holds("the program is not attached any more", || {
        Ok(LinkInfo::of(&link)?.u32_at(16) == 0)
    })
}

fn the_two_bpffs_are_two(sandbox: &Sandbox) -> Result<()> {
    let first = rustix::fs::stat(sandbox.bpffs())?;
    let second = rustix::fs::stat(sandbox.second_bpffs()?)?;
    ensure!(first.st_dev != second.st_dev);
    let plain = rustix::fs::statfs(sandbox.directory())?;
    let bpffs = rustix::fs::statfs(sandbox.bpffs())?;
    ensure!(plain.f_type != bpffs.f_type);
    Ok(())
}
