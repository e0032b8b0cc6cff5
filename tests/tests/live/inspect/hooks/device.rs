//! The hooks of network devices.

use std::os::fd::AsFd as _;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{
    Error as LinkError, TcFilter, TcParent, network_device, network_devices, tc_filters,
};
use bpf_link_tests::sys::{self, LinkTarget};
use bpf_link_tests::{ClassicTc, Device, DeviceKind, Hook, Loader, Program, Sandbox, device};
use bpf_link_typed::inspect::hooks::{
    AttachPoint, AttachedBy, HookInspector, HookPlace, NoteAbout, PlaceHooks,
};
use bpf_link_typed::{
    AttachType, Error, Interface, LinkAnchor, NetkitAttach, NetkitHook, Position, TcxAttach,
    TcxHook, XdpAttach, XdpMode,
};

use super::{by_link_in_a_namespace, by_walk, check, expected, lines};
use crate::fixture::attaching::ensure_error;
use crate::fixture::{LOOPBACK, as_nobody, ensure_refused, without_descriptors};
use crate::harness::{Need, Test, test};
use crate::selftests::classic_tc::CLASSIC_TC;

pub(crate) const TESTS: &[Test] = &[
    test!(nothing_is_attached),
    test!(tcx_programs_in_their_order).needs(Need::TCX).alone(),
    test!(xdp_with_a_link).alone(),
    test!(xdp_over_netlink).alone(),
    test!(classic_filters_in_their_order)
        .needs(CLASSIC_TC)
        .alone(),
    test!(classic_filters_of_the_older_discipline)
        .needs(CLASSIC_TC)
        .alone(),
    test!(filters_run_after_tcx)
        .needs(Need::TCX)
        .also_needs(CLASSIC_TC)
        .alone(),
    test!(both_ends_of_a_netkit_pair)
        .needs(Need::NETKIT)
        .alone(),
    test!(a_device_that_is_gone),
    test!(without_privilege).alone(),
    test!(devices_over_netlink).needs(&[Need::Device(DeviceKind::Veth)]),
    test!(with_no_descriptor_left),
];

fn lo() -> Result<PlaceHooks> {
    Ok(HookInspector::load()?.device("lo")?)
}

fn nothing_is_attached(_sandbox: &Sandbox) -> Result<()> {
    let hooks = lo()?;
    check(&hooks, &[])?;
    ensure!(hooks.is_empty());
    let place = HookPlace::Device {
        index: LOOPBACK,
        name: c"lo".to_owned(),
    };
    ensure!(hooks.place == place, "{hooks:?}");
    Ok(())
}

fn tcx_programs_in_their_order(_sandbox: &Sandbox) -> Result<()> {
    let program = |name| Loader::new(Hook::TCX_INGRESS).named(name).passing();
    let [first, second, third, bare] = [
        program("one")?,
        program("two")?,
        program("three")?,
        program("bare")?,
    ];
    let to = || TcxAttach::to("lo", TcxHook::Ingress);
    let middle = to().attach(&second)?;
    let last = to()
        .position(Position::After(LinkAnchor::link(&middle).into()))
        .attach(&third)?;
    let front = to()
        .position(Position::Before(LinkAnchor::link(&middle).into()))
        .attach(&first)?;
    let ingress = AttachType::TcxIngress.as_raw();
    sys::prog_attach(LinkTarget::Ifindex(LOOPBACK), bare.as_fd(), ingress, 0)?;
    let out = Program::passing(Hook::TCX_EGRESS)?;
    let egress = TcxAttach::to("lo", TcxHook::Egress).attach(&out)?;

    let hooks = lo()?;
    check(
        &hooks,
        &[
            expected("tcx_ingress", &first, AttachedBy::Link(front.id()?))?,
            expected("tcx_ingress", &second, AttachedBy::Link(middle.id()?))?,
            expected("tcx_ingress", &third, AttachedBy::Link(last.id()?))?,
            expected("tcx_ingress", &bare, AttachedBy::NoLink)?,
            expected("tcx_egress", &out, AttachedBy::Link(egress.id()?))?,
        ],
    )?;
    let name = hooks.programs.first().and_then(|one| one.name.clone());
    ensure!(name.context("no name")?.to_str()? == first.name()?);
    Ok(())
}

fn xdp_with_a_link(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    let link = XdpAttach::to("lo").mode(XdpMode::Skb).attach(&program)?;
    let by = by_link_in_a_namespace(link.id()?)?;
    let hooks = lo()?;
    check(&hooks, &[expected("xdp", &program, by)?])?;
    let mode = hooks.programs.first().map(|one| one.point.clone());
    ensure!(mode == Some(AttachPoint::Xdp(XdpMode::Skb)), "{mode:?}");
    // A walk does not tell the network namespace of the link.
    let by = AttachedBy::Unknown(vec![link.id()?]);
    check(&by_walk()?.device("lo")?, &[expected("xdp", &program, by)?])
}

fn xdp_over_netlink(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    device::set_xdp(LOOPBACK, Some(program.as_fd()), None)?;
    let wanted = [expected("xdp", &program, AttachedBy::NoLink)?];
    check(&lo()?, &wanted)?;
    check(&by_walk()?.device(LOOPBACK)?, &wanted)?;
    device::set_xdp(LOOPBACK, None, None)?;
    check(&lo()?, &[])
}

/// The filters of an answer.
fn filters(hooks: &PlaceHooks) -> Vec<&TcFilter> {
    let points = hooks.programs.iter().map(|program| &program.point);
    let filters = points.filter_map(|point| match point {
        AttachPoint::TcFilter(filter) => Some(filter),
        _ => None,
    });
    filters.collect()
}

fn classic_filters_in_their_order(_sandbox: &Sandbox) -> Result<()> {
    let program = || Program::passing(Hook::CLASSIC_TC);
    let [late, early, out] = [program()?, program()?, program()?];
    let tc = ClassicTc::create(LOOPBACK)?;
    check(&lo()?, &[])?;
    tc.filter_ingress_at(7, &late)?;
    tc.filter_ingress_at(3, &early)?;
    tc.filter_egress(&out)?;
    let hooks = lo()?;
    check(
        &hooks,
        &[
            expected("tc_ingress", &early, AttachedBy::NoLink)?,
            expected("tc_ingress", &late, AttachedBy::NoLink)?,
            expected("tc_egress", &out, AttachedBy::NoLink)?,
        ],
    )?;
    let [first, second, egress] = filters(&hooks)[..] else {
        anyhow::bail!("{hooks:?}");
    };
    ensure!(first.parent == TcParent::Ingress && egress.parent == TcParent::Egress);
    ensure!([first.priority, second.priority, egress.priority] == [3, 7, 1]);
    ensure!(first.is_direct_action && first.chain == 0 && first.class_id.is_none());
    ensure!(first.handle != 0, "{first:?}");
    ensure!(i32::from(first.protocol) == libc::ETH_P_ALL, "{first:?}");
    ensure!(first.name.as_deref() == Some(c"classic"), "{first:?}");
    let of_netlink = tc_filters(LOOPBACK)?;
    ensure!(of_netlink.iter().eq(filters(&hooks)), "{of_netlink:?}");
    tc.delete()?;
    check(&lo()?, &[])
}

/// It has one list, whichever side it is asked for.
fn classic_filters_of_the_older_discipline(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::CLASSIC_TC)?;
    let tc = ClassicTc::create_for_ingress(LOOPBACK)?;
    tc.filter_ingress(&program)?;
    let wanted = [expected("tc_ingress", &program, AttachedBy::NoLink)?];
    check(&lo()?, &wanted)?;
    tc.delete()
}

fn filters_run_after_tcx(_sandbox: &Sandbox) -> Result<()> {
    let linked = Program::passing(Hook::TCX_INGRESS)?;
    let classic = Program::passing(Hook::CLASSIC_TC)?;
    let xdp = Program::passing(Hook::XDP)?;
    let tc = ClassicTc::create(LOOPBACK)?;
    tc.filter_ingress(&classic)?;
    let link = TcxAttach::to("lo", TcxHook::Ingress).attach(&linked)?;
    device::set_xdp(LOOPBACK, Some(xdp.as_fd()), None)?;
    check(
        &lo()?,
        &[
            expected("xdp", &xdp, AttachedBy::NoLink)?,
            expected("tcx_ingress", &linked, AttachedBy::Link(link.id()?))?,
            expected("tc_ingress", &classic, AttachedBy::NoLink)?,
        ],
    )
}

fn both_ends_of_a_netkit_pair(_sandbox: &Sandbox) -> Result<()> {
    let _device = Device::create(DeviceKind::Netkit, "ends")?;
    let programs = [
        Program::passing(Hook::NETKIT_PRIMARY)?,
        Program::passing(Hook::NETKIT_PEER)?,
    ];
    let [primary, peer] = &programs;
    let of_primary = NetkitAttach::to("ends", NetkitHook::Primary).attach(primary)?;
    let of_peer = NetkitAttach::to("ends", NetkitHook::Peer).attach(peer)?;
    let peer = expected("netkit_peer", peer, AttachedBy::Link(of_peer.id()?))?;
    let primary = expected(
        "netkit_primary",
        primary,
        AttachedBy::Link(of_primary.id()?),
    )?;
    let mut inspector = HookInspector::load()?;
    check(&inspector.device("ends")?, &[primary, peer.clone()])?;
    check(&inspector.device(device::peer_name("ends"))?, &[peer])
}

fn a_device_that_is_gone(_sandbox: &Sandbox) -> Result<()> {
    const NOWHERE: u32 = i32::MAX.unsigned_abs();
    let mut inspector = HookInspector::load()?;
    for missing in [Interface::from("gone0"), NOWHERE.into(), u32::MAX.into()] {
        let named = format!("interface {missing}");
        ensure_error!(
            inspector.device(missing),
            Error::NoSuchInterface { .. },
            Some(libc::ENODEV),
            &[&named]
        );
    }
    ensure_refused!(
        network_device(NOWHERE),
        LinkError::Command(_),
        Some(libc::ENODEV)
    );
    ensure_refused!(
        tc_filters(NOWHERE),
        LinkError::Command(_),
        Some(libc::ENODEV)
    );
    Ok(())
}

/// What takes no privilege is told, and the rest is noted.
fn without_privilege(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    device::set_xdp(LOOPBACK, Some(program.as_fd()), None)?;
    let hooks = as_nobody(lo);
    device::set_xdp(LOOPBACK, None, None)?;
    let hooks = hooks?;
    let wanted = expected("xdp", &program, AttachedBy::Unknown(Vec::new()))?;
    ensure!(lines(&hooks) == [wanted], "{hooks:?}");
    ensure!(
        hooks
            .programs
            .iter()
            .all(|one| one.name.is_none() && one.info.is_none())
    );
    let note = |wanted: &dyn Fn(&NoteAbout) -> bool| {
        let mut notes = hooks.notes.iter().filter(|note| wanted(&note.about));
        let error = notes.next().and_then(|note| note.error.as_ref());
        let errno = error.and_then(|error| error.errno());
        (errno, notes.next().is_none())
    };
    let refused = (Some(libc::EPERM), true);
    ensure!(
        note(&|about| *about == NoteAbout::Links) == refused,
        "{:?}",
        hooks.notes
    );
    let id = program.id()?;
    let names = |about: &NoteAbout| matches!(about, NoteAbout::Programs(ids) if ids.iter().any(|of| of.get() == id));
    ensure!(note(&names) == refused, "{:?}", hooks.notes);
    // An older kernel has no tcx to ask, but says so only to those who may ask.
    let both = [AttachType::TcxIngress, AttachType::TcxEgress];
    let tcx = NoteAbout::Hooks(both.to_vec());
    ensure!(note(&|about| *about == tcx) == refused, "{:?}", hooks.notes);
    ensure!(hooks.notes.len() == 3, "{:?}", hooks.notes);
    Ok(())
}

fn devices_over_netlink(_sandbox: &Sandbox) -> Result<()> {
    let made = Device::create(DeviceKind::Veth, "pair")?;
    let peer = device::index_of(&device::peer_name("pair"))?;
    let devices = network_devices()?;
    let found = devices.iter().find(|one| one.index == made.index());
    let found = found.context("it is missing")?;
    ensure!(found.name.as_c_str() == c"pair" && found.kind.as_deref() == Some(c"veth"));
    ensure!(found.linked_to == Some(peer), "{found:?}");
    ensure!(*found == network_device(made.index())?);
    let lo = devices.iter().find(|one| one.index == LOOPBACK);
    ensure!(
        lo.is_some_and(|lo| lo.kind.is_none() && lo.linked_to.is_none()),
        "{lo:?}"
    );
    let all = HookInspector::load()?.devices(None)?;
    let indices = all.iter().map(|hooks| match hooks.place {
        HookPlace::Device { index, .. } => index,
        _ => 0,
    });
    ensure!(indices.eq(devices.iter().map(|device| device.index)));
    Ok(())
}

fn with_no_descriptor_left(_sandbox: &Sandbox) -> Result<()> {
    const EMFILE: Option<i32> = Some(libc::EMFILE);
    let refused = without_descriptors(network_devices)?;
    ensure_refused!(refused, LinkError::Command(_), EMFILE);
    let refused = without_descriptors(|| network_device(LOOPBACK))?;
    ensure_refused!(refused, LinkError::Command(_), EMFILE);
    let refused = without_descriptors(|| tc_filters(LOOPBACK))?;
    ensure_refused!(refused, LinkError::Command(_), EMFILE);
    Ok(())
}
