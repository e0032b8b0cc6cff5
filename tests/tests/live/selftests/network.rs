//! What the kernel's `flow_dissector_reattach`, `xdp_link`, `xdp_bonding`, `tc_links`, `tc_netkit`
//! and `sockmap_basic` assert.

use std::io;
use std::os::fd::AsFd as _;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{
    Anchor, AttachFlags, AttachType, Error, LinkCreate, MprogArgs, RawLink, Update, UpdateFlags,
};
use bpf_link_sys::{
    BPF_F_ALLOW_MULTI, BPF_F_REPLACE, BPF_FLOW_DISSECTOR, BPF_SK_MSG_VERDICT,
    BPF_SK_SKB_STREAM_VERDICT,
};
use bpf_link_tests::sys::{self, LinkTarget};
use bpf_link_tests::{
    Device, DeviceKind, Hook, Map, Netns, Program, Sandbox, device, eventually_holds,
};
use bpf_link_typed::{
    FileRef, Interface, NetkitAttach, NetkitHook, NetnsAttach, NetnsHook, Position, SockmapAttach,
    SockmapHook, TcxAttach, TcxHook, XdpAttach, XdpMode,
};

use crate::fixture::attaching::{counting, counts, ensure_error};
use crate::fixture::{LOOPBACK, ensure_refused, refusal, runs};
use crate::harness::{Need, Test, test};
use crate::suites::positions::{Attached, Place};

pub(crate) const TESTS: &[Test] = &[
    test!(a_bond_and_its_devices)
        .alone()
        .needs(&[
            Need::Device(DeviceKind::Bond),
            Need::Device(DeviceKind::Veth),
        ])
        .also_needs(&[Need::Linux(5, 15)]),
    test!(flow_dissector_in_a_namespace).alone(),
    test!(flow_dissector_in_the_first_namespace)
        .alone()
        .needs(&[Need::FirstNetns]),
    test!(netkit_combinations_that_do_not_go).needs(Need::NETKIT),
    test!(netkit_is_asked_by_its_primary_end).needs(Need::NETKIT),
    test!(sockmap_with_and_without_links)
        .alone()
        .needs(Need::SOCKMAP),
    test!(tcx_combinations_that_do_not_go).needs(Need::TCX),
    test!(tcx_with_and_without_links).needs(Need::TCX),
    test!(xdp_links_and_netlink).alone(),
];

fn errno<T>(refused: io::Result<T>) -> Option<i32> {
    refused.err().and_then(|error| error.raw_os_error())
}

/// The errno that netlink answered.
fn netlink_errno(refused: &Result<()>) -> Option<i32> {
    let error = refused.as_ref().err()?;
    error
        .root_cause()
        .downcast_ref::<io::Error>()?
        .raw_os_error()
}

/// All that may be tried with the flow dissector of the calling thread's namespace.
fn try_flow_dissectors() -> Result<()> {
    let netns = Netns::current()?;
    let load = || Program::passing(Hook::FLOW_DISSECTOR);
    let (one, two, three) = (load()?, load()?, load()?);
    let to = NetnsAttach::to(FileRef::fd(&netns), NetnsHook::FlowDissector);
    let without_a_link = |program: &Program| {
        sys::prog_attach(LinkTarget::None, program.as_fd(), BPF_FLOW_DISSECTOR, 0)
    };
    let off =
        |program: &Program| sys::prog_detach(LinkTarget::None, program.as_fd(), BPF_FLOW_DISSECTOR);

    // Without a link first: it excludes one.
    without_a_link(&one)?;
    ensure_error!(
        to.attach(&two),
        bpf_link_typed::Error::HookTaken { .. },
        Some(libc::EEXIST),
        &["hook flow_dissector"]
    );
    off(&one)?;

    let link = to.attach(&one)?;
    ensure_error!(
        to.attach(&two),
        bpf_link_typed::Error::HookTaken { .. },
        Some(libc::E2BIG),
        &["hook flow_dissector"]
    );
    ensure!(errno(without_a_link(&two)) == Some(libc::EEXIST));
    ensure!(errno(without_a_link(&one)) == Some(libc::EEXIST));
    ensure!(errno(off(&one)) == Some(libc::EINVAL));

    // Only the program changes with an update.
    let before = link.info()?;
    ensure!(before.netns_ino.map(u64::from) == Some(netns.inode()?));
    link.update(&two)?;
    link.replace(&two, &three)?;
    link.update(&three)?;
    link.replace(&three, &one)?;
    ensure!(link.info()? == before);
    link.update(&two)?;
    let after = link.info()?;
    ensure!(after.program_id.map(u32::from) == Some(two.id()?));
    ensure!(
        (after.id, after.netns_ino, after.attach_type)
            == (before.id, before.netns_ino, before.attach_type)
    );

    let raw = link.as_raw();
    let flagged = Update::program(&one).flags(UpdateFlags::from_bits_retain(BPF_F_ALLOW_MULTI));
    ensure_refused!(raw.update(flagged), Error::Command(_), Some(libc::EINVAL));
    ensure_refused!(
        raw.update(Update::program(&one).expecting(&three)),
        Error::OldProgramMismatch { .. },
        Some(libc::EPERM)
    );
    let wrong = Program::passing(Hook::SK_LOOKUP)?;
    ensure_refused!(raw.update(&wrong), Error::Command(_), Some(libc::EINVAL));
    let no_program = Map::array(4, 1)?;
    ensure_refused!(
        raw.update(&no_program),
        Error::WrongObject { .. },
        Some(libc::EINVAL)
    );
    ensure_refused!(
        raw.update(Update::program(&one).expecting(&no_program)),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    ensure!(link.info()? == after);
    drop(link);
    // The hook is free, for either.
    without_a_link(&one)?;
    off(&one)?;
    drop(to.attach(&one)?);
    Ok(())
}

/// Of a thread of our own, whose namespace goes with it.
fn flow_dissector_in_a_namespace(_sandbox: &Sandbox) -> Result<()> {
    try_flow_dissectors()?;
    let netns = Netns::create()?;
    netns.inside(try_flow_dissectors)?;
    let program = Program::passing(Hook::FLOW_DISSECTOR)?;
    let link = NetnsAttach::to(FileRef::fd(&netns), NetnsHook::FlowDissector).attach(&program)?;
    drop(netns);
    eventually_holds("the namespace has gone", || {
        Ok(link.info()?.is_defunct() == Some(true))
    })?;
    ensure_refused!(
        link.as_raw().update(&program),
        Error::HookGone(_),
        Some(libc::ENOLINK)
    );
    Ok(())
}

/// One there excludes those of all others, and one of another excludes it.
fn flow_dissector_in_the_first_namespace(_sandbox: &Sandbox) -> Result<()> {
    let (here, first) = (Netns::current()?, Netns::of_process(1)?);
    first.inside(try_flow_dissectors)?;
    let program = Program::passing(Hook::FLOW_DISSECTOR)?;
    for (one, other) in [(&here, &first), (&first, &here)] {
        let to = |netns| NetnsAttach::to(FileRef::fd(netns), NetnsHook::FlowDissector);
        let link = to(one).attach(&program)?;
        ensure_error!(
            to(other).attach(&program),
            bpf_link_typed::Error::HookTaken { .. },
            Some(libc::EEXIST),
            &["hook flow_dissector"]
        );
        drop(link);
        drop(to(other).attach(&program)?);
    }
    Ok(())
}

/// What was attached without a link excludes one, and a link is left alone by those who know none.
fn xdp_links_and_netlink(_sandbox: &Sandbox) -> Result<()> {
    let (one, two) = (Program::passing(Hook::XDP)?, Program::passing(Hook::XDP)?);
    let to = XdpAttach::to("lo").mode(XdpMode::Skb);
    device::set_xdp(LOOPBACK, Some(one.as_fd()), None)?;
    ensure_error!(
        to.attach(&two),
        bpf_link_typed::Error::HookTaken { .. },
        Some(libc::EBUSY),
        &["interface lo (index 1)"]
    );
    device::set_xdp(LOOPBACK, None, Some(one.as_fd()))?;

    let (linked, counter) = counting(Hook::XDP)?;
    let link = to.attach(&linked)?;
    for (program, expected) in [
        (Some(one.as_fd()), None),
        (Some(one.as_fd()), Some(linked.as_fd())),
        (None, None),
        (None, Some(linked.as_fd())),
    ] {
        let refused = device::set_xdp(LOOPBACK, program, expected);
        ensure!(netlink_errno(&refused) == Some(libc::EBUSY), "{refused:?}");
    }
    ensure!(runs(&counter)? && link.info()?.ifindex == Some(LOOPBACK));
    ensure_error!(
        to.attach(&two),
        bpf_link_typed::Error::HookTaken { .. },
        Some(libc::EBUSY),
        &["interface lo (index 1)"]
    );
    link.detach()?;
    device::set_xdp(LOOPBACK, Some(one.as_fd()), None)?;
    device::set_xdp(LOOPBACK, None, None)
}

/// A program is on the bond or on a device that it sends by way of, not on both.
fn a_bond_and_its_devices(_sandbox: &Sandbox) -> Result<()> {
    let bond = Device::create(DeviceKind::Bond, "bond")?;
    let veth = Device::create(DeviceKind::Veth, "slave")?;
    device::send_by_way_of(veth.index(), Some(bond.index()))?;
    let program = Program::passing(Hook::XDP)?;
    let on_bond = XdpAttach::to("bond").mode(XdpMode::Drv);
    let on_slave = XdpAttach::to("slave").mode(XdpMode::Drv);

    let link = on_bond.attach(&program)?;
    ensure_error!(
        on_slave.attach(&program),
        bpf_link_typed::Error::HookTaken { .. },
        Some(libc::EEXIST),
        &[&format!("interface slave (index {})", veth.index())]
    );
    drop(link);
    let _link = on_slave.attach(&program)?;
    let refused = on_bond.attach(&program).err().context("not refused")?;
    let known = [libc::EEXIST, libc::EOPNOTSUPP];
    ensure!(
        refused.errno().is_some_and(|errno| known.contains(&errno)),
        "{refused:?}"
    );
    Ok(())
}

/// What is refused on a list of programs. `there` is on it, and `elsewhere` on another.
fn try_combinations(place: &Place<'_>, there: &Attached, elsewhere: &Attached) -> Result<()> {
    let new = place.program()?;
    let request = place.request(&new);
    let (before, after) = (AttachFlags::BEFORE, AttachFlags::AFTER);
    let with =
        |flags: AttachFlags, more: u32| request.flags(flags | AttachFlags::from_bits_retain(more));
    let none = MprogArgs::new();
    let to_link = none.anchor(Anchor::link(&there.link));
    let to_program = none.anchor(Anchor::program(&there.program));
    let to_other = none.anchor(Anchor::link(&elsewhere.link));
    let other_type = Program::passing(Hook::XDP)?;
    let to_other_type = none.anchor(Anchor::program(&other_type));
    let revision = place.revision()?;
    for (request, errno) in [
        // On both sides.
        (with(before | after, 0).args(none), libc::ERANGE),
        (with(before | after, 0).args(to_link), libc::ERANGE),
        (with(before | after, 0).args(to_program), libc::ERANGE),
        // On neither.
        (request.args(to_link), libc::EINVAL),
        (request.args(to_program), libc::EINVAL),
        (with(AttachFlags::PREORDER, 0).args(none), libc::EINVAL),
        // Next to what is not on this list.
        (with(before, 0).args(to_other), libc::ENOENT),
        (with(after, 0).args(to_other), libc::ENOENT),
        (with(after, 0).args(to_other_type), libc::EINVAL),
        // In the place of another, which is what an update is for.
        (
            with(AttachFlags::empty(), BPF_F_REPLACE).args(none),
            libc::ENOENT,
        ),
        (with(before, BPF_F_REPLACE).args(to_link), libc::ENOENT),
        (with(after, BPF_F_REPLACE).args(to_program), libc::ENOENT),
        // At another revision, whatever else is wrong.
        (
            request.args(to_link.expected_revision(revision + 1)),
            libc::ESTALE,
        ),
        (
            with(before | after, 0).args(none.expected_revision(revision + 1)),
            libc::ESTALE,
        ),
        // The same program again.
        (place.request(&there.program).args(none), libc::EEXIST),
        (
            place.request(&there.program).flags(before).args(none),
            libc::EEXIST,
        ),
    ] {
        let error = refusal(RawLink::create(&request)).with_context(|| format!("{request:?}"))?;
        ensure!(
            error.errno() == Some(errno),
            "{errno} and not {error:?}: {request:?}"
        );
    }
    ensure!(place.revision()? == revision, "something has changed");
    Ok(())
}

fn tcx_combinations_that_do_not_go(_sandbox: &Sandbox) -> Result<()> {
    let ingress = Place {
        target: LinkTarget::Ifindex(LOOPBACK),
        attach_type: AttachType::TcxIngress,
        hook: Hook::TCX_INGRESS,
        takes_programs: true,
    };
    let egress = Place {
        attach_type: AttachType::TcxEgress,
        hook: Hook::TCX_EGRESS,
        ..ingress
    };
    let attach = |place: Place<'_>| place.attach(AttachFlags::empty(), MprogArgs::new());
    let (here, there) = (attach(ingress)?, attach(egress)?);
    try_combinations(&ingress, &here, &there)?;
    try_combinations(&egress, &there, &here)
}

fn netkit_combinations_that_do_not_go(_sandbox: &Sandbox) -> Result<()> {
    let device = Device::create(DeviceKind::Netkit, "kit")?;
    let primary = Place {
        target: LinkTarget::Ifindex(device.index()),
        attach_type: AttachType::NetkitPrimary,
        hook: Hook::NETKIT_PRIMARY,
        takes_programs: true,
    };
    let peer = Place {
        attach_type: AttachType::NetkitPeer,
        hook: Hook::NETKIT_PEER,
        ..primary
    };
    let attach = |place: Place<'_>| place.attach(AttachFlags::empty(), MprogArgs::new());
    let (here, there) = (attach(primary)?, attach(peer)?);
    try_combinations(&primary, &here, &there)?;
    try_combinations(&peer, &there, &here)
}

/// A program without a link is on the list as well, and is not taken off or replaced by those who
/// know links.
fn tcx_with_and_without_links(_sandbox: &Sandbox) -> Result<()> {
    let (without, counter) = counting(Hook::TCX_INGRESS)?;
    let linked = Program::passing(Hook::TCX_INGRESS)?;
    let (attach_type, lo) = (AttachType::TcxIngress, LinkTarget::Ifindex(LOOPBACK));
    sys::prog_attach(lo, without.as_fd(), attach_type.as_raw(), 0)?;
    let to = TcxAttach::to("lo", TcxHook::Ingress);
    ensure_error!(
        to.attach(&without),
        bpf_link_typed::Error::AlreadyAttached(_),
        Some(libc::EEXIST),
        &["interface lo (index 1)"]
    );
    let before = Position::Before(bpf_link_typed::Anchor::program(&without));
    let link = to.clone().position(before).attach(&linked)?;
    let list = bpf_link::Hook::of_device(attach_type, LOOPBACK).query()?;
    let found: Vec<_> = list
        .programs
        .iter()
        .map(|one| (one.id.get(), one.link))
        .collect();
    ensure!(
        found == [(linked.id()?, Some(link.id()?)), (without.id()?, None)],
        "{list:?}"
    );
    // Nobody takes a link's program off without it.
    let refused = sys::prog_detach(lo, linked.as_fd(), attach_type.as_raw());
    ensure!(errno(refused) == Some(libc::EBUSY));
    ensure!(counts(&counter, crate::fixture::traffic::send_packet)?);
    sys::prog_detach(lo, without.as_fd(), attach_type.as_raw())?;
    Ok(())
}

fn netkit_is_asked_by_its_primary_end(_sandbox: &Sandbox) -> Result<()> {
    let device = Device::create(DeviceKind::Netkit, "kit")?;
    let peer = device::index_of(&device::peer_name("kit"))?;
    for (hook, of) in [
        (Hook::NETKIT_PRIMARY, NetkitHook::Primary),
        (Hook::NETKIT_PEER, NetkitHook::Peer),
    ] {
        let (one, two) = (Program::passing(hook)?, Program::passing(hook)?);
        let to = NetkitAttach::to("kit", of);
        let first = to.clone().attach(&one)?;
        let by_primary = bpf_link::Hook::of_device(of.attach_type(), device.index());
        let list = by_primary.query()?;
        ensure!(
            list.revision == Some(2) && list.programs.len() == 1,
            "{list:?}"
        );
        let before = Position::Before(bpf_link_typed::Anchor::link(&first));
        let _second = to.position(before).attach(&two)?;
        let found: Vec<u32> = by_primary
            .query()?
            .programs
            .iter()
            .map(|one| one.id.get())
            .collect();
        ensure!(found == [two.id()?, one.id()?], "{found:?}");
        // By the peer it is neither asked nor reached.
        ensure_refused!(
            bpf_link::Hook::of_device(of.attach_type(), peer).query(),
            Error::PermissionDenied(_),
            Some(libc::EACCES)
        );
        ensure_error!(
            NetkitAttach::to(Interface::from(peer), of).attach(&two),
            bpf_link_typed::Error::Link(Error::PermissionDenied(_)),
            Some(libc::EACCES),
            &[&format!("index {peer}")]
        );
    }
    Ok(())
}

/// A link keeps its slot from those who know none. It also keeps what was there from coming back.
fn sockmap_with_and_without_links(_sandbox: &Sandbox) -> Result<()> {
    let map = Map::sockmap(1)?;
    let load = || Program::passing(Hook::SK_MSG_VERDICT);
    let (one, two) = (load()?, load()?);
    let to = SockmapAttach::to(&map, SockmapHook::MsgVerdict);
    let link = to.attach(&one)?;
    let attach = |program: &Program, attach_type| {
        errno(sys::prog_attach(
            map.as_fd(),
            program.as_fd(),
            attach_type,
            0,
        ))
    };
    ensure!(attach(&two, BPF_SK_MSG_VERDICT) == Some(libc::EBUSY));
    let refused = sys::prog_detach(map.as_fd(), one.as_fd(), BPF_SK_MSG_VERDICT);
    ensure!(errno(refused) == Some(libc::EBUSY));
    ensure_error!(
        to.attach(&two),
        bpf_link_typed::Error::HookTaken { .. },
        Some(libc::EBUSY),
        &[&format!("map {}", map.id()?)]
    );
    link.update(&two)?;
    ensure_refused!(
        link.as_raw().update(Update::program(&one).expecting(&one)),
        Error::OldProgramMismatch { .. },
        Some(libc::EPERM)
    );
    link.replace(&two, &one)?;
    let wrong = Program::passing(Hook::SK_SKB_VERDICT)?;
    ensure_refused!(
        link.as_raw().update(&wrong),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    // One that judges streams, without a link, excludes one that judges packets.
    let streams = Program::passing(Hook::SK_SKB_STREAM_VERDICT)?;
    ensure!(attach(&streams, BPF_SK_SKB_STREAM_VERDICT).is_none());
    ensure_error!(
        SockmapAttach::to(&map, SockmapHook::SkbVerdict).attach(&wrong),
        bpf_link_typed::Error::HookTaken { .. },
        Some(libc::EBUSY),
        &[&format!("map {}", map.id()?)]
    );
    sys::prog_detach(map.as_fd(), streams.as_fd(), BPF_SK_SKB_STREAM_VERDICT)?;
    drop(SockmapAttach::to(&map, SockmapHook::SkbVerdict).attach(&wrong)?);
    let request = LinkCreate::new(&wrong, AttachType::SkSkbVerdict).target_fd(&map);
    drop(RawLink::create(&request)?);
    Ok(())
}
