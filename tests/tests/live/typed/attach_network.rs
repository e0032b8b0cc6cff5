//! Attaching through the types of the kinds: what is attached to the network and to cgroups.

use std::os::fd::{AsFd as _, AsRawFd as _};

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::sys::{self, LinkTarget};
use bpf_link_tests::{Device, DeviceKind, Hook, Map, Program, Sandbox, device};
use bpf_link_typed::{
    Anchor, CgroupAttach, CgroupHook, Error, FileRef, Interface, LinkAnchor, MapId,
    NetfilterAttach, NetfilterFamily, NetfilterFlags, NetfilterHook, NetkitAttach, NetkitHook,
    Position, SockmapAttach, SockmapHook, TcxAttach, TcxHook,
};

use crate::fixture::attaching::{counting, counts, ensure_error, id_of};
use crate::fixture::traffic::{connect, exchange, send_frame, send_packet};
use crate::fixture::{LOOPBACK, as_nobody};
use crate::harness::{Need, Test, test};

/// Positions and revisions of cgroups, since Linux 6.17.
const ORDER: &[Need] = &[Need::Member("cgroup_bpf", "revisions")];
const NO_ORDER: &[Need] = &[Need::Without(&Need::Member("cgroup_bpf", "revisions"))];
/// Since Linux 6.15.
const PREORDER: &[Need] = &[Need::Member("bpf_prog_list", "flags")];

pub(crate) const TESTS: &[Test] = &[
    test!(cgroup),
    test!(cgroup_errors),
    test!(cgroup_positions).needs(ORDER),
    test!(cgroup_preorder).needs(PREORDER),
    test!(cgroup_without_positions).needs(NO_ORDER),
    test!(netfilter).needs(Need::NETFILTER),
    test!(netkit).needs(Need::NETKIT),
    test!(sockmap).needs(Need::SOCKMAP),
    test!(tcx).needs(Need::TCX),
    test!(tcx_errors).needs(Need::TCX),
    test!(tcx_positions).needs(Need::TCX),
];

fn cgroup(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("attach")?;
    let (program, counter) = counting(Hook::CGROUP_EGRESS)?;
    let file = std::fs::File::open(cgroup.path())?;
    for reference in [
        FileRef::from(cgroup.path()),
        FileRef::from(&file),
        FileRef::fd(&cgroup),
    ] {
        let link = CgroupAttach::to(reference, CgroupHook::InetEgress).attach(&program)?;
        let info = link.info()?;
        ensure!(info.cgroup_id == Some(cgroup.id()?) && info.program_id == id_of(&program)?);
        ensure!(info.attach_type == CgroupHook::InetEgress.attach_type());
        ensure!(counts(&counter, || cgroup.inside(send_packet))?);
        drop(link);
        ensure!(!counts(&counter, || cgroup.inside(send_packet))?);
    }
    Ok(())
}

fn cgroup_errors(sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::CGROUP_SOCK_CREATE)?;
    let to = |file, hook| CgroupAttach::to(file, hook).attach(&program);
    let create = CgroupHook::InetSockCreate;
    let missing = sandbox.cgroup_root()?.join("nothing");
    ensure_error!(
        to(FileRef::path(&missing), create),
        Error::File { .. },
        Some(libc::ENOENT)
    );
    ensure_error!(
        to(FileRef::from("/"), create),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EBADF)
    );
    let cgroup = sandbox.new_cgroup("attach")?;
    for hook in [CgroupHook::Inet4PostBind, CgroupHook::InetEgress] {
        let refused = to(FileRef::fd(&cgroup), hook);
        let Err(Error::AttachTypeMismatch { attach_type, .. }) = &refused else {
            anyhow::bail!("{refused:?}");
        };
        ensure!(*attach_type == hook.attach_type());
        ensure_error!(
            refused,
            Error::AttachTypeMismatch { .. },
            Some(libc::EINVAL)
        );
    }
    let links: Vec<_> = std::iter::repeat_with(|| to(FileRef::fd(&cgroup), create))
        .take(64)
        .collect::<Result<_, _>>()?;
    ensure_error!(
        to(FileRef::fd(&cgroup), create),
        Error::HookTaken(_),
        Some(libc::E2BIG)
    );
    drop(links);
    let egress = Program::passing(Hook::CGROUP_EGRESS)?;
    as_nobody(|| {
        let to = CgroupAttach::to(FileRef::fd(&cgroup), CgroupHook::InetEgress);
        ensure_error!(
            to.attach(&egress),
            Error::Link(bpf_link::Error::PermissionDenied(_)),
            Some(libc::EPERM)
        );
        Ok(())
    })
}

/// The order and the revision of the programs of a hook.
fn order(target: LinkTarget<'_>, attach_type: u32) -> Result<(Vec<u32>, u64)> {
    Ok((
        sys::prog_query(target, attach_type)?,
        sys::hook_revision(target, attach_type)?,
    ))
}

fn cgroup_positions(sandbox: &Sandbox) -> Result<()> {
    let (cgroup, other) = (sandbox.new_cgroup("attach")?, sandbox.new_cgroup("other")?);
    let hook = CgroupHook::InetEgress;
    let programs: Vec<Program> = std::iter::repeat_with(|| Program::passing(Hook::CGROUP_EGRESS))
        .take(5)
        .collect::<Result<_>>()?;
    let [one, two, three, four, five] = programs.as_slice() else {
        anyhow::bail!("five were made");
    };
    let to = CgroupAttach::to(FileRef::fd(&cgroup), hook);
    let ids = |order: &[&Program]| order.iter().map(|p| p.id()).collect::<Result<Vec<_>>>();
    let now = || order(LinkTarget::Fd(cgroup.as_fd()), hook.attach_type().as_raw());

    let first = to.attach(one)?;
    let _last = to.position(Position::Last).attach(two)?;
    let _very_first = to.position(Position::First).attach(three)?;
    let revision = now()?.1;
    let after = Position::After(LinkAnchor::link(&first));
    ensure_error!(
        to.position(after)
            .expected_revision(revision + 1)
            .attach(four),
        Error::Link(bpf_link::Error::StaleRevision(_)),
        Some(libc::ESTALE)
    );
    let _after = to
        .position(after)
        .expected_revision(revision)
        .attach(four)?;
    let before = Position::Before(LinkAnchor::LinkId(first.id()?));
    let _before = to.position(before).attach(five)?;
    ensure!(now()?.0 == ids(&[three, five, one, four, two])?);

    let elsewhere = CgroupAttach::to(FileRef::fd(&other), hook).attach(one)?;
    ensure_error!(
        to.position(Position::Before(LinkAnchor::link(&elsewhere)))
            .attach(one),
        Error::AnchorNotOnHook(_),
        Some(libc::ENOENT)
    );
    let gone = elsewhere.id()?;
    drop(elsewhere);
    ensure_error!(
        to.position(Position::Before(LinkAnchor::LinkId(gone)))
            .attach(one),
        Error::AnchorNotOnHook(_),
        Some(libc::ENOENT)
    );
    Ok(())
}

fn cgroup_preorder(sandbox: &Sandbox) -> Result<()> {
    let parent = sandbox.new_cgroup("attach")?;
    let child = parent.child("child")?;
    let (program, counter) = counting(Hook::CGROUP_EGRESS)?;
    let to = CgroupAttach::to(FileRef::fd(&parent), CgroupHook::InetEgress).preorder();
    let link = to.attach(&program)?;
    ensure!(counts(&counter, || child.inside(send_packet))?);
    drop(link);
    child.remove()
}

fn cgroup_without_positions(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("attach")?;
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    let to = CgroupAttach::to(FileRef::fd(&cgroup), CgroupHook::InetEgress);
    let link = to.attach(&program)?;
    for to in [
        to.position(Position::First),
        to.position(Position::Last),
        to.position(Position::Before(LinkAnchor::link(&link))),
        to.expected_revision(1),
    ] {
        ensure_error!(
            to.attach(&program),
            Error::Link(bpf_link::Error::UnsupportedByKernel(_)),
            Some(libc::EINVAL)
        );
    }
    Ok(())
}

fn tcx(_sandbox: &Sandbox) -> Result<()> {
    for (hook, of) in [
        (Hook::TCX_INGRESS, TcxHook::Ingress),
        (Hook::TCX_EGRESS, TcxHook::Egress),
    ] {
        let (program, counter) = counting(hook)?;
        let link = TcxAttach::to("lo", of).attach(&program)?;
        let info = link.info()?;
        ensure!(info.ifindex == Some(LOOPBACK) && info.program_id == id_of(&program)?);
        ensure!(info.attach_type == of.attach_type());
        ensure!(counts(&counter, send_packet)?);
        drop(link);
        ensure!(!counts(&counter, send_packet)?);
    }
    Ok(())
}

fn tcx_errors(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::TCX_INGRESS)?;
    for interface in [Interface::from("nowhere"), Interface::from(4711)] {
        ensure_error!(
            TcxAttach::to(interface, TcxHook::Ingress).attach(&program),
            Error::NoSuchInterface { .. },
            Some(libc::ENODEV)
        );
    }
    let to = TcxAttach::to("lo", TcxHook::Ingress);
    let link = to.attach(&program)?;
    ensure_error!(
        to.attach(&program),
        Error::AlreadyAttached(_),
        Some(libc::EEXIST)
    );
    ensure_error!(
        to.attach(&Program::passing(Hook::XDP)?),
        Error::AttachTypeMismatch { .. },
        Some(libc::EINVAL)
    );
    drop(link);
    let programs: Vec<Program> = std::iter::repeat_with(|| Program::passing(Hook::TCX_INGRESS))
        .take(63)
        .collect::<Result<_>>()?;
    let _links: Vec<_> = programs
        .iter()
        .map(|program| to.attach(program))
        .collect::<Result<_, _>>()?;
    ensure_error!(to.attach(&program), Error::HookTaken(_), Some(libc::ERANGE));
    Ok(())
}

/// With every sort of anchor.
fn tcx_positions(_sandbox: &Sandbox) -> Result<()> {
    let programs: Vec<Program> = std::iter::repeat_with(|| Program::passing(Hook::TCX_EGRESS))
        .take(7)
        .collect::<Result<_>>()?;
    let [one, two, three, four, five, six, seven] = programs.as_slice() else {
        anyhow::bail!("seven were made");
    };
    let ids = |order: &[&Program]| order.iter().map(|p| p.id()).collect::<Result<Vec<_>>>();
    let hook = TcxHook::Egress;
    let now = || order(LinkTarget::Ifindex(LOOPBACK), hook.attach_type().as_raw());
    let to = TcxAttach::to("lo", hook);
    let at = |position| to.clone().position(position);

    let first = to.attach(one)?;
    let _links = [
        at(Position::Last).attach(two)?,
        at(Position::First).attach(three)?,
        at(Position::After(Anchor::link(&first))).attach(four)?,
        at(Position::Before(Anchor::LinkId(first.id()?))).attach(five)?,
        at(Position::Before(Anchor::program(three))).attach(six)?,
    ];
    let id = id_of(two)?.context("it has an id")?;
    let after = at(Position::After(Anchor::ProgramId(id)));
    let revision = now()?.1;
    ensure_error!(
        after.clone().expected_revision(revision - 1).attach(seven),
        Error::Link(bpf_link::Error::StaleRevision(_)),
        Some(libc::ESTALE)
    );
    let seventh = after.expected_revision(revision).attach(seven)?;
    ensure!(now()?.0 == ids(&[six, three, five, one, four, two, seven])?);
    let gone = id_of(seven)?.context("it has an id")?;
    drop(seventh);
    ensure_error!(
        at(Position::After(Anchor::ProgramId(gone))).attach(seven),
        Error::AnchorNotOnHook(_),
        Some(libc::ENOENT)
    );
    Ok(())
}

fn netkit(_sandbox: &Sandbox) -> Result<()> {
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
            Some(libc::EEXIST)
        );
        ensure_error!(
            to.expected_revision(4711).attach(&program),
            Error::Link(bpf_link::Error::StaleRevision(_)),
            Some(libc::ESTALE)
        );
        let peer = NetkitAttach::to(peer, of);
        ensure_error!(
            peer.attach(&program),
            Error::Link(bpf_link::Error::PermissionDenied(_)),
            Some(libc::EACCES)
        );
        ensure_error!(
            NetkitAttach::to("lo", of).attach(&program),
            Error::Link(bpf_link::Error::Command(_)),
            Some(libc::ENXIO)
        );
        ensure_error!(
            NetkitAttach::to(4711, of).attach(&program),
            Error::NoSuchInterface { .. },
            Some(libc::ENODEV)
        );
        ensure_error!(
            NetkitAttach::to("kit", of).attach(&Program::passing(Hook::XDP)?),
            Error::AttachTypeMismatch { .. },
            Some(libc::EINVAL)
        );
    }
    Ok(())
}

fn netfilter(_sandbox: &Sandbox) -> Result<()> {
    let (program, counter) = counting(Hook::NETFILTER)?;
    let at =
        |priority| NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::PostRouting, priority);
    let link = at(-10_000).attach(&program)?;
    let info = link.info()?;
    ensure!(NetfilterFamily::from_raw(info.family) == NetfilterFamily::Ipv4);
    ensure!(NetfilterHook::from_raw(info.hook) == NetfilterHook::PostRouting);
    ensure!(info.priority == -10_000 && info.program_id == id_of(&program)?);
    ensure!(counts(&counter, send_packet)?);
    let refused = at(-10_000).attach(&program);
    ensure!(matches!(
        refused,
        Err(Error::PriorityTaken {
            priority: -10_000,
            ..
        })
    ));
    ensure_error!(refused, Error::PriorityTaken { .. }, Some(libc::EBUSY));
    ensure_error!(
        at(i32::MAX).attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::ERANGE)
    );
    let other = NetfilterAttach::to(NetfilterFamily::Other(1), NetfilterHook::LocalIn, 1);
    ensure_error!(
        other.attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EAFNOSUPPORT)
    );
    let hook = NetfilterAttach::to(NetfilterFamily::Ipv6, NetfilterHook::Other(7), 1);
    ensure_error!(
        hook.attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EPROTO)
    );
    let whole = NetfilterAttach::to(NetfilterFamily::Ipv6, NetfilterHook::Forward, 10_001);
    match whole.defragmented().attach(&program) {
        Ok(link) => {
            let info = link.info()?;
            ensure!(info.flags == NetfilterFlags::IP_DEFRAG && info.priority == 10_001);
        }
        // This kernel was built without what puts fragments together, or does not know the flag.
        Err(error) => ensure!(
            matches!(error.errno(), Some(libc::ENOENT | libc::EOPNOTSUPP)),
            "{error:?}"
        ),
    }
    Ok(())
}

fn sockmap(_sandbox: &Sandbox) -> Result<()> {
    let map = Map::sockmap(1)?;
    let (program, counter) = counting(Hook::SK_MSG_VERDICT)?;
    let send = || {
        let [here, there] = connect()?;
        map.update(&0u32.to_ne_bytes(), &here.as_raw_fd().to_ne_bytes())?;
        exchange(&here, &there)
    };
    let to = SockmapAttach::to(&map, SockmapHook::MsgVerdict);
    let link = to.attach(&program)?;
    let info = link.info()?;
    ensure!(info.map_id == MapId::new(map.id()?) && info.program_id == id_of(&program)?);
    ensure!(info.attach_type == SockmapHook::MsgVerdict.attach_type());
    ensure!(counts(&counter, send)?);
    ensure_error!(to.attach(&program), Error::HookTaken(_), Some(libc::EBUSY));
    ensure_error!(
        SockmapAttach::to(&map, SockmapHook::SkbVerdict).attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EINVAL)
    );
    drop(link);
    ensure!(!counts(&counter, send)?);

    let packets = Program::passing(Hook::SK_SKB_VERDICT)?;
    let streams = Program::passing(Hook::SK_SKB_STREAM_VERDICT)?;
    let _link = SockmapAttach::to(&map, SockmapHook::SkbVerdict).attach(&packets)?;
    ensure_error!(
        SockmapAttach::to(&map, SockmapHook::SkbStreamVerdict).attach(&streams),
        Error::HookTaken(_),
        Some(libc::EBUSY)
    );
    Ok(())
}
