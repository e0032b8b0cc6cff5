//! netkit links through their type: attaching, info, queries, and what is refused.

use anyhow::{Result, ensure};
use bpf_link::RawLink;
use bpf_link_tests::{Device, DeviceKind, Hook, Program, Sandbox, device};
use bpf_link_typed::{Anchor, Error, NetkitAttach, NetkitHook, NetkitLink, Position};

use crate::fixture::attaching::{
    counting, counts, ensure_error, ensure_unknown, entries, id_of, request, without,
};
use crate::fixture::traffic::send_frame;
use crate::harness::{Need, Test, test};
use crate::suites::operations::has_no;
use crate::suites::positions;

has_no! { NetkitLink: create_iter }

pub(crate) const TESTS: &[Test] = &[
    test!(attach).needs(Need::NETKIT),
    test!(errors_anchors).needs(Need::NETKIT),
    test!(more_errors).needs(Need::NETKIT),
    test!(errors_alone)
        .needs(Need::NETKIT)
        .also_needs(&[Need::Constant("netkit_pairing", "NETKIT_DEVICE_SINGLE")]),
    test!(without).needs(without!("bpf_attach_type", "BPF_NETKIT_PRIMARY")),
    test!(info).needs(Need::NETKIT),
    test!(query).needs(Need::NETKIT),
    test!(query_errors).needs(Need::NETKIT),
    test!(without_netkit).needs(&[Need::Without(&Need::Function("netkit_prog_query"))]),
];

fn attach(_sandbox: &Sandbox) -> Result<()> {
    let device = Device::create(DeviceKind::Netkit, "kit")?;
    let peer = device::index_of(&device::peer_name("kit"))?;
    device::bring_up(device.index())?;
    device::bring_up(peer)?;
    for (hook, of, ends) in [
        (
            Hook::NETKIT_PRIMARY,
            NetkitHook::Primary,
            (device.index(), peer),
        ),
        (Hook::NETKIT_PEER, NetkitHook::Peer, (peer, device.index())),
    ] {
        let (program, counter) = counting(hook)?;
        let to = NetkitAttach::to("kit", of);
        let link = to.clone().position(Position::First).attach(&program)?;
        let info = link.info()?;
        ensure!(info.ifindex == Some(ends.0) && info.attach_type == of.attach_type());
        ensure!(counts(&counter, || send_frame(ends.0, ends.1))?);
        ensure_error!(
            to.attach(&program),
            Error::AlreadyAttached(_),
            Some(libc::EEXIST),
            &["interface kit"]
        );
        ensure_error!(
            to.expected_revision(4711).attach(&program),
            Error::Link(bpf_link::Error::StaleRevision(_)),
            Some(libc::ESTALE),
            &["interface kit"]
        );
        let peer = NetkitAttach::to(peer, of);
        ensure_error!(
            peer.attach(&program),
            Error::Link(bpf_link::Error::PermissionDenied(_)),
            Some(libc::EACCES),
            &["interface"]
        );
        ensure_error!(
            NetkitAttach::to("lo", of).attach(&program),
            Error::Link(bpf_link::Error::Command(_)),
            Some(libc::ENXIO),
            &["interface lo"]
        );
        ensure_error!(
            NetkitAttach::to(4711, of).attach(&program),
            Error::NoSuchInterface { .. },
            Some(libc::ENODEV),
            &["interface 4711"]
        );
        ensure_error!(
            NetkitAttach::to("kit", of).attach(&Program::passing(Hook::XDP)?),
            Error::AttachTypeMismatch { .. },
            Some(libc::EINVAL),
            &["interface kit"]
        );
    }
    Ok(())
}

fn errors_anchors(_sandbox: &Sandbox) -> Result<()> {
    let _device = Device::create(DeviceKind::Netkit, "pair")?;
    let program = Program::passing(Hook::NETKIT_PRIMARY)?;
    positions::the_owner_is_named("interface pair", |anchor| {
        NetkitAttach::to("pair", NetkitHook::Primary)
            .position(Position::Before(anchor.into()))
            .attach(&program)
    })
}

fn more_errors(_sandbox: &Sandbox) -> Result<()> {
    let _device = Device::create(DeviceKind::Netkit, "kit")?;
    let load = || Program::passing(Hook::NETKIT_PRIMARY);
    let (here, there) = (
        NetkitAttach::to("kit", NetkitHook::Primary),
        NetkitAttach::to("kit", NetkitHook::Peer),
    );
    let (program, other) = (load()?, Program::passing(Hook::NETKIT_PEER)?);
    let elsewhere = there.attach(&other)?;
    ensure_error!(
        here.clone()
            .position(Position::After(Anchor::link(&elsewhere)))
            .attach(&program),
        Error::AnchorNotOnHook(_),
        Some(libc::ENOENT),
        &["interface kit"]
    );
    let programs: Vec<Program> = std::iter::repeat_with(load)
        .take(63)
        .collect::<Result<_>>()?;
    let _links: Vec<_> = programs
        .iter()
        .map(|program| here.attach(program))
        .collect::<Result<_, _>>()?;
    ensure_error!(
        here.attach(&program),
        Error::HookTaken { .. },
        Some(libc::ERANGE),
        &["interface kit"]
    );
    Ok(())
}

fn errors_alone(_sandbox: &Sandbox) -> Result<()> {
    let _device = Device::create(DeviceKind::NetkitAlone, "kit")?;
    for (hook, end) in [
        (Hook::NETKIT_PRIMARY, NetkitHook::Primary),
        (Hook::NETKIT_PEER, NetkitHook::Peer),
    ] {
        let program = Program::passing(hook)?;
        ensure_error!(
            NetkitAttach::to("kit", end).attach(&program),
            Error::Link(bpf_link::Error::Command(_)),
            Some(libc::EOPNOTSUPP),
            &["interface kit"]
        );
    }
    Ok(())
}

fn without(_sandbox: &Sandbox) -> Result<()> {
    let to = NetkitAttach::to("lo", NetkitHook::Primary);
    ensure_unknown("interface lo", |program| to.attach(program))?;
    ensure_unknown("interface lo", |program| {
        to.clone().expected_revision(1).attach(program)
    })
}

/// For the peer it is the index of the peer, though the primary end was asked for.
fn info(_sandbox: &Sandbox) -> Result<()> {
    let device = Device::create(DeviceKind::Netkit, "typed")?;
    let peer = device::index_of(&device::peer_name("typed"))?;
    for (hook, index) in [
        (Hook::NETKIT_PRIMARY, device.index()),
        (Hook::NETKIT_PEER, peer),
    ] {
        let program = Program::passing(hook)?;
        let request = request(&program, hook).target_ifindex(device.index());
        let link = NetkitLink::try_from(RawLink::create(&request)?)?;
        let info = link.info()?;
        ensure!(info.program_id == id_of(&program)?);
        ensure!(info.ifindex == Some(index), "{info:?} and not {index}");
        ensure!(
            info.attach_type.attach_type().as_raw() == hook.attach_type,
            "{info:?}"
        );
        link.detach()?;
        ensure!(link.info()?.is_defunct() == Some(true));
    }
    Ok(())
}

fn query(_sandbox: &Sandbox) -> Result<()> {
    let _device = Device::create(DeviceKind::Netkit, "kit")?;
    for (hook, load) in [
        (NetkitHook::Primary, Hook::NETKIT_PRIMARY),
        (NetkitHook::Peer, Hook::NETKIT_PEER),
    ] {
        ensure!(hook.query("kit")?.programs.is_empty());
        let program = Program::passing(load)?;
        let link = NetkitAttach::to("kit", hook).attach(&program)?;
        let answer = hook.query("kit")?;
        ensure!(answer.has_links && answer.revision.is_some());
        ensure!(entries(&answer) == [(program.id()?, Some(link.id()?.get()))]);
    }
    Ok(())
}

fn query_errors(_sandbox: &Sandbox) -> Result<()> {
    let _device = Device::create(DeviceKind::Netkit, "kit")?;
    let hook = NetkitHook::Peer;
    ensure_error!(
        hook.query("nothing"),
        Error::NoSuchInterface { .. },
        Some(libc::ENODEV),
        &["interface nothing"]
    );
    ensure_error!(
        hook.query("lo"),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::ENXIO),
        &["interface lo"]
    );
    ensure_error!(
        hook.query(device::peer_name("kit").as_str()),
        Error::Link(bpf_link::Error::PermissionDenied(_)),
        Some(libc::EACCES),
        &["interface kit_p"]
    );
    Ok(())
}

fn without_netkit(_sandbox: &Sandbox) -> Result<()> {
    ensure_error!(
        NetkitHook::Primary.query("lo"),
        Error::Link(bpf_link::Error::UnsupportedByKernel(_)),
        Some(libc::EINVAL),
        &["interface lo"]
    );
    Ok(())
}
