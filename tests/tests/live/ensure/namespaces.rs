//! Hooks in another network namespace than the caller's, and devices by all of their names.

use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::AsFd as _;

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::{self as tests, Device, DeviceKind, Hook, Program, Sandbox};
use bpf_link_typed::{
    Attach as _, AttachProgram, Error, Interface, NetfilterAttach, NetfilterFamily, NetfilterHook,
    NetkitAttach, NetkitHook, Netns, Position, TcxAttach, TcxHook, XdpAttach, XdpMode,
    ensure::{Ours, Outcome},
};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;

use crate::ensure::end::{ensure_nothing_left, ensure_one_link_and_pin, our_links};
use crate::ensure::id_of;
use crate::ensure::others::without_sys_admin;
use crate::fixture::LOOPBACK;
use crate::fixture::chain::check_refusal;
use crate::fixture::there::{There, with_a_process_there};
use crate::harness::role::{self, role};
use crate::harness::{Need, Role, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(a_netfilter_hook).needs(Need::NETFILTER),
    test!(a_netkit_device).needs(Need::NETKIT),
    test!(a_tcx_hook).needs(Need::TCX),
    test!(a_namespace_by_its_path).alone(),
    test!(alternative_names).needs(&[Need::Device(DeviceKind::Veth)]),
    test!(an_xdp_device).alone(),
    test!(errors_name_the_namespace).alone(),
    test!(errors_name_the_namespace_of_a_netfilter_hook)
        .needs(Need::NETFILTER)
        .alone(),
    test!(the_file_is_opened_once)
        .needs(Need::NETFILTER)
        .also_needs(Need::TCX),
    test!(one_thread_is_started).needs(Need::NETFILTER),
    test!(what_is_not_a_namespace),
];

pub(crate) const ROLES: &[Role] = &[role!(replacer)];

/// The namespace, as the types have it.
fn typed(netns: &tests::Netns) -> Result<Netns> {
    Ok(netns.as_fd().try_clone_to_owned()?.into())
}

/// Makes a device there, which goes with the namespace.
fn make(netns: &tests::Netns, kind: DeviceKind, name: &str) -> Result<()> {
    netns.inside(|| Device::create(kind, name).map(std::mem::forget))
}

/// Creates, keeps and takes over there, while nothing is attached here.
fn over_restarts<A: AttachProgram>(
    sandbox: &Sandbox,
    [here, there]: [&A; 2],
    hook: Hook,
    is_updated: bool,
) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    let (old, new) = (Program::passing(hook)?, Program::passing(hook)?);
    let to = there.clone().ensure_pinned(&pin);
    let outcome = |program| anyhow::Ok(to.run(program)?.outcome);
    ensure!(outcome(&old)? == Outcome::Created);
    ensure!(outcome(&old)? == Outcome::AlreadyRunning);
    let updated = outcome(&new)?;
    ensure!(
        matches!(updated, Outcome::Updated { .. }) == is_updated
            && matches!(updated, Outcome::Replaced { gap: true, .. }) == !is_updated,
        "{updated:?}"
    );
    ensure_one_link_and_pin(sandbox, &pin)?;
    // The hook here is free, and its link is another.
    drop(here.attach(&old)?);
    // Without its pin it is found there.
    let held = bpf_link_typed::Link::from_pinned(&pin)?;
    std::fs::remove_file(&pin)?;
    let name = std::ffi::CString::new(tests::names::object_name("prog"))?;
    let done = there
        .clone()
        .ensure_pinned(&pin)
        .take_over(Ours::by_name(&name))
        .run(&new)?;
    ensure!(done.taken_over == Some(held.id()?), "{:?}", done.taken_over);
    drop(done);
    held.detach_and_unpin()?;
    ensure_nothing_left(sandbox)
}

fn an_xdp_device(sandbox: &Sandbox) -> Result<()> {
    let elsewhere = tests::Netns::create()?;
    let here = XdpAttach::to("lo").mode(XdpMode::Skb);
    let there = here.clone().in_netns(typed(&elsewhere)?);
    over_restarts(sandbox, [&here, &there], Hook::XDP, true)?;

    // Who has it is looked for there, too.
    let program = Program::passing(Hook::XDP)?;
    let held = there.attach(&program)?;
    let refused = there.attach(&Program::passing(Hook::XDP)?);
    let Err(Error::HookTaken { holders, .. }) = &refused else {
        anyhow::bail!("{refused:?}");
    };
    ensure!(
        holders.len() == 1 && holders.first().and_then(|it| it.program) == Some(id_of(&program)?)
    );
    let found = elsewhere.inside(|| Ok(bpf_link::xdp_programs(LOOPBACK)?))?;
    ensure!(found.generic == Some(id_of(&program)?));
    drop(held);
    ensure_nothing_left(sandbox)
}

fn a_namespace_by_its_path(sandbox: &Sandbox) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    with_a_process_there(|process, path| {
        let here = XdpAttach::to("lo").mode(XdpMode::Skb);
        let there = here.clone().in_netns(path);
        over_restarts(sandbox, [&here, &there], Hook::XDP, true)?;

        let program = Program::passing(Hook::XDP)?;
        let done = there.ensure_pinned(&pin).run(&program)?;
        let elsewhere = tests::Netns::of_process(process)?;
        let found = elsewhere.inside(|| Ok(bpf_link::xdp_programs(LOOPBACK)?))?;
        ensure!(found.generic == Some(id_of(&program)?), "{found:?}");
        let found = bpf_link::xdp_programs(LOOPBACK)?;
        ensure!(found.generic.is_none(), "{found:?}");
        done.stop()?;
        Ok(())
    })?;
    ensure_nothing_left(sandbox)
}

/// Nobody can put another file there in between, and it does not make a gap longer.
fn the_file_is_opened_once(sandbox: &Sandbox) -> Result<()> {
    let there = There::new(sandbox)?;
    there.mount()?;
    let opens = inotify::init(CreateFlags::NONBLOCK)?;
    inotify::add_watch(&opens, &there.file, WatchFlags::OPEN)?;
    let count = || -> Result<usize> {
        let mut room = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(&opens, &mut room);
        let mut count = 0;
        loop {
            match reader.next() {
                Ok(_) => count += 1,
                Err(Errno::AGAIN) => return Ok(count),
                Err(error) => return Err(error.into()),
            }
        }
    };
    let xdp = XdpAttach::to("lo").in_netns(&there.file);
    ensure_opened_once(sandbox, xdp, Hook::XDP, &count).context("xdp")?;
    let tcx = TcxAttach::to("lo", TcxHook::Ingress)
        .in_netns(&there.file)
        .position(Position::First);
    ensure_opened_once(sandbox, tcx, Hook::TCX_INGRESS, &count).context("tcx")?;
    let netfilter = NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::LocalIn, -7)
        .in_netns(&there.file);
    ensure_opened_once(sandbox, netfilter, Hook::NETFILTER, &count).context("netfilter")?;
    there.unmount()?;
    ensure_nothing_left(sandbox)
}

/// Each run opens the file once, whether it attaches anew or replaces.
fn ensure_opened_once<A: AttachProgram>(
    sandbox: &Sandbox,
    to: A,
    hook: Hook,
    opens: &dyn Fn() -> Result<usize>,
) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    let to = to.ensure_pinned(&pin);
    for _ in 0..2 {
        to.run(Program::passing(hook)?)?;
        let opens = opens()?;
        ensure!(opens == 1, "opened {opens} times");
    }
    bpf_link_typed::Link::from_pinned(&pin)?.detach_and_unpin()?;
    Ok(())
}

/// Replaces a link there with a gap when it is told.
fn replacer(arguments: &[String]) -> Result<()> {
    let [pin, netns] = arguments else {
        anyhow::bail!("{arguments:?}");
    };
    let to = NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::LocalIn, -7);
    let to = to.in_netns(netns).ensure_pinned(pin);
    let [old, new] = [(); 2].map(|()| Program::passing(Hook::NETFILTER));
    let (old, new) = (old?, new?);
    to.run(&old)?;
    role::say("ready")?;
    role::listen()?;
    let done = to.run(&new)?;
    let has_gap = matches!(done.outcome, Outcome::Replaced { gap: true, .. });
    ensure!(has_gap, "{:?}", done.outcome);
    std::process::exit(0)
}

/// A run starts its thread before it takes the old program off. It starts no other in the gap.
fn one_thread_is_started(sandbox: &Sandbox) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    with_a_process_there(|_process, path| {
        let mut player = role!(replacer).start(&[pin.to_str().context("not UTF-8")?, path])?;
        ensure!(player.hear()? == "ready");
        let started = player.count_threads()?;
        ensure!(started == 1, "{started} threads were started");
        Ok(())
    })?;
    bpf_link_typed::Link::from_pinned(&pin)?.detach_and_unpin()?;
    ensure_nothing_left(sandbox)
}

/// Whether the kernel refuses what is to be done there, or nobody may enter it.
fn errors_name_the_namespace(_sandbox: &Sandbox) -> Result<()> {
    let (xdp, other) = (Program::passing(Hook::XDP)?, Program::passing(Hook::XDP)?);
    with_a_process_there(|_process, path| {
        let on_lo = XdpAttach::to("lo").in_netns(path);
        let _held = on_lo.attach(&xdp)?;
        let lo = format!("interface lo (index 1) in network namespace {path}");
        let refused = check_refusal(on_lo.attach(&other), &[&lo])?;
        ensure!(matches!(refused, Error::HookTaken { .. }), "{refused:?}");
        let lo = format!("interface lo in network namespace {path}");
        let refused = without_sys_admin(|| check_refusal(on_lo.attach(&other), &[&lo]))?;
        ensure!(refused.errno() == Some(libc::EPERM), "{refused:?}");
        Ok(())
    })
}

/// The same, on a hook that no device has.
fn errors_name_the_namespace_of_a_netfilter_hook(_sandbox: &Sandbox) -> Result<()> {
    let [one, other] = [(); 2].map(|()| Program::passing(Hook::NETFILTER));
    let (one, other) = (one?, other?);
    let to = NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::LocalIn, -7);
    with_a_process_there(|_process, path| {
        let to = to.in_netns(path);
        let _held = to.attach(&one)?;
        let words = [&format!("network namespace {path}")[..], "-7"];
        let refused = check_refusal(to.attach(&other), &words)?;
        ensure!(
            matches!(refused, Error::PriorityTaken { .. }),
            "{refused:?}"
        );
        let refused = without_sys_admin(|| check_refusal(to.attach(&other), &words[..1]))?;
        ensure!(refused.errno() == Some(libc::EPERM), "{refused:?}");
        Ok(())
    })
}

fn a_tcx_hook(sandbox: &Sandbox) -> Result<()> {
    let elsewhere = tests::Netns::create()?;
    make(&elsewhere, DeviceKind::Veth, "there")?;
    let here = TcxAttach::to("lo", TcxHook::Ingress);
    let there = TcxAttach::to("there", TcxHook::Ingress).in_netns(typed(&elsewhere)?);
    over_restarts(sandbox, [&here, &there], Hook::TCX_INGRESS, true)?;

    let program = Program::passing(Hook::TCX_INGRESS)?;
    let link = there.attach(&program)?;
    let device = Interface::from("there");
    let list = TcxHook::Ingress.query(device.clone().in_netns(typed(&elsewhere)?))?;
    ensure!(
        list.programs
            .iter()
            .any(|found| found.link == link.id().ok())
    );
    for device in [
        device,
        Interface::from("none0").in_netns(typed(&elsewhere)?),
    ] {
        let refused = TcxAttach::to(device.clone(), TcxHook::Ingress).attach(&program);
        ensure!(
            matches!(&refused, Err(Error::NoSuchInterface { interface, .. }) if *interface == device),
            "{refused:?}"
        );
    }
    drop(link);
    ensure_nothing_left(sandbox)
}

fn a_netkit_device(sandbox: &Sandbox) -> Result<()> {
    let elsewhere = tests::Netns::create()?;
    let here = Device::create(DeviceKind::Netkit, "kit")?;
    make(&elsewhere, DeviceKind::Netkit, "kit")?;
    let to = NetkitAttach::to("kit", NetkitHook::Primary);
    let there = to.clone().in_netns(typed(&elsewhere)?);
    over_restarts(sandbox, [&to, &there], Hook::NETKIT_PRIMARY, true)?;
    drop(here);
    Ok(())
}

fn a_netfilter_hook(sandbox: &Sandbox) -> Result<()> {
    let elsewhere = tests::Netns::create()?;
    let here = NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::LocalIn, 83);
    let there = here.clone().in_netns(typed(&elsewhere)?);
    over_restarts(sandbox, [&here, &there], Hook::NETFILTER, false)
}

fn what_is_not_a_namespace(sandbox: &Sandbox) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    let program = Program::passing(Hook::XDP)?;
    for (netns, errno) in [
        (Netns::from("/nowhere"), libc::ENOENT),
        (Netns::from("/proc/self/ns/mnt"), libc::EINVAL),
        (Netns::from(File::open("/proc/version")?), libc::EINVAL),
    ] {
        let to = XdpAttach::to("lo").in_netns(netns);
        for refused in [
            to.attach(&program).map(drop),
            to.clone().ensure_pinned(&pin).run(&program).map(drop),
        ] {
            let refused = refused.err().and_then(|error| error.errno());
            ensure!(refused == Some(errno), "{refused:?}");
        }
    }
    ensure!(our_links()?.is_empty());
    ensure_nothing_left(sandbox)
}

/// As short as those that an `ioctl` takes, and too long for it.
fn alternative_names(sandbox: &Sandbox) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    let device = Device::create(DeviceKind::Veth, "device")?;
    let program = Program::passing(Hook::XDP)?;
    let names = [
        "short".to_owned(),
        "sixteen_bytes_it".to_owned(),
        "l".repeat(127),
    ];
    for name in &names {
        device.add_name(name)?;
        let done = XdpAttach::to(name.as_str())
            .mode(XdpMode::Skb)
            .ensure_pinned(&pin)
            .run(&program)?;
        ensure!(done.link.info()?.ifindex == Some(device.index()));
        done.link.detach_and_unpin()?;
    }
    for missing in ["not_one_of_its_names".to_owned(), "l".repeat(128)] {
        let refused = XdpAttach::to(missing.as_str()).attach(&program);
        let errno = refused.as_ref().err().and_then(Error::errno);
        ensure!(
            matches!(refused, Err(Error::NoSuchInterface { .. })) && errno == Some(libc::ENODEV),
            "{refused:?}"
        );
    }
    device.delete()?;
    ensure_nothing_left(sandbox)
}
