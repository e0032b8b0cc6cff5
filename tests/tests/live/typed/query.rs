//! Queries of hooks through the types of the kinds.

use std::os::fd::AsFd as _;

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::{Device, DeviceKind, Hook, Map, Netns, Program, Sandbox, device};
use bpf_link_typed::{
    AttachFlags, CgroupAttach, CgroupHook, Error, FileRef, HookPrograms, Interface, NetkitAttach,
    NetkitHook, NetnsAttach, NetnsHook, SockmapAttach, SockmapHook, TcxAttach, TcxHook,
};
use rustix::fs::{Mode, OFlags};

use crate::fixture::attaching::ensure_error;
use crate::fixture::{LOOPBACK, as_nobody};
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(cgroup),
    test!(cgroup_errors),
    test!(cgroup_revision).needs(&[CGROUP_REVISIONS]),
    test!(a_cgroup_without_the_hook).needs(&[Need::Without(&Need::Constant(
        "bpf_attach_type",
        "BPF_CGROUP_UNIX_CONNECT",
    ))]),
    test!(tcx).needs(Need::TCX),
    test!(tcx_errors).needs(Need::TCX),
    test!(before_there_was_tcx).needs(&[Need::Without(&Need::Constant(
        "bpf_attach_type",
        "BPF_TCX_INGRESS",
    ))]),
    test!(netkit).needs(Need::NETKIT),
    test!(netkit_errors).needs(Need::NETKIT),
    test!(without_netkit).needs(&[Need::Without(&Need::Function("netkit_prog_query"))]),
    test!(netns),
    test!(netns_errors),
    test!(sockmap).needs(Need::SOCKMAP),
    test!(sockmap_errors).needs(&[SOCKMAP_QUERY]),
    test!(before_sockmaps_were_asked).needs(&[Need::Without(&SOCKMAP_QUERY)]),
    test!(it_takes_a_privilege),
];

/// Since Linux 6.17, and since some point of 6.12.
const CGROUP_REVISIONS: Need = Need::Member("cgroup_bpf", "revisions");
/// Since Linux 5.19.
const SOCKMAP_QUERY: Need = Need::Function("sock_map_bpf_prog_query");

/// The programs and links of an answer.
fn entries(answer: &HookPrograms) -> Vec<(u32, Option<u32>)> {
    let entry = |program: &bpf_link_typed::HookProgram| {
        (
            program.id.get(),
            program.link.map(bpf_link_typed::LinkId::get),
        )
    };
    answer.programs.iter().map(entry).collect()
}

fn cgroup(sandbox: &Sandbox) -> Result<()> {
    let parent = sandbox.new_cgroup("parent")?;
    let child = parent.child("child")?;
    let hook = CgroupHook::InetEgress;
    let (own, above) = (
        Program::passing(Hook::CGROUP_EGRESS)?,
        Program::passing(Hook::CGROUP_EGRESS)?,
    );
    let _own = CgroupAttach::to(FileRef::fd(&child), hook).attach(&own)?;
    let _above = CgroupAttach::to(FileRef::fd(&parent), hook).attach(&above)?;
    for file in [FileRef::from(child.path()), FileRef::fd(&child)] {
        let answer = hook.query(file)?;
        ensure!(entries(&answer) == [(own.id()?, None)] && !answer.has_links);
        ensure!(answer.flags == AttachFlags::from_bits_retain(bpf_link_sys::BPF_F_ALLOW_MULTI));
        let answer = hook.query_effective(file)?;
        ensure!(entries(&answer) == [(own.id()?, None), (above.id()?, None)]);
    }
    ensure!(
        CgroupHook::InetIngress
            .query(child.path())?
            .programs
            .is_empty()
    );
    Ok(())
}

fn cgroup_errors(sandbox: &Sandbox) -> Result<()> {
    let hook = CgroupHook::InetEgress;
    let missing = sandbox.cgroup_root()?.join("nothing");
    for asked in [
        hook.query(missing.as_path()),
        hook.query_effective(missing.as_path()),
    ] {
        ensure_error!(asked, Error::File { .. }, Some(libc::ENOENT));
    }
    for asked in [hook.query("/"), hook.query_effective("/")] {
        ensure_error!(
            asked,
            Error::Link(bpf_link::Error::Command(_)),
            Some(libc::EBADF)
        );
    }
    Ok(())
}

fn cgroup_revision(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("revision")?;
    let hook = CgroupHook::InetEgress;
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    let to = CgroupAttach::to(cgroup.path(), hook);
    let revision = || hook.query(cgroup.path())?.revision.context("no revision");
    let before = revision()?;
    let _link = to.expected_revision(before).attach(&program)?;
    ensure_error!(
        to.expected_revision(before).attach(&program),
        Error::Link(bpf_link::Error::StaleRevision(_)),
        Some(libc::ESTALE)
    );
    let _other = to.expected_revision(revision()?).attach(&program)?;
    Ok(())
}

fn a_cgroup_without_the_hook(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("hook")?;
    let hook = CgroupHook::UnixConnect;
    for asked in [
        hook.query(cgroup.path()),
        hook.query_effective(cgroup.path()),
    ] {
        ensure_error!(
            asked,
            Error::Link(bpf_link::Error::UnsupportedByKernel(_)),
            Some(libc::EINVAL)
        );
    }
    Ok(())
}

fn tcx(_sandbox: &Sandbox) -> Result<()> {
    let hook = TcxHook::Egress;
    let programs = [
        Program::passing(Hook::TCX_EGRESS)?,
        Program::passing(Hook::TCX_EGRESS)?,
    ];
    let [first, second] = &programs;
    let to = TcxAttach::to("lo", hook);
    let first_link = to.clone().attach(first)?;
    for interface in [Interface::from("lo"), Interface::from(LOOPBACK)] {
        let answer = hook.query(interface)?;
        ensure!(answer.has_links && answer.flags.is_empty());
        ensure!(entries(&answer) == [(first.id()?, Some(first_link.id()?.get()))]);
    }
    let revision = hook.query("lo")?.revision.context("no revision")?;
    let to = to.expected_revision(revision);
    let second_link = to.clone().attach(second)?;
    ensure!(
        entries(&hook.query("lo")?)
            == [
                (first.id()?, Some(first_link.id()?.get())),
                (second.id()?, Some(second_link.id()?.get())),
            ]
    );
    ensure_error!(
        to.attach(second),
        Error::Link(bpf_link::Error::StaleRevision(_)),
        Some(libc::ESTALE)
    );
    ensure!(TcxHook::Ingress.query("lo")?.programs.is_empty());
    Ok(())
}

fn tcx_errors(_sandbox: &Sandbox) -> Result<()> {
    for interface in [Interface::from("nothing"), Interface::from(u32::MAX)] {
        ensure_error!(
            TcxHook::Ingress.query(interface),
            Error::NoSuchInterface { .. },
            Some(libc::ENODEV)
        );
    }
    Ok(())
}

fn before_there_was_tcx(_sandbox: &Sandbox) -> Result<()> {
    ensure_error!(
        TcxHook::Ingress.query("lo"),
        Error::Link(bpf_link::Error::UnsupportedByKernel(_)),
        Some(libc::EINVAL)
    );
    Ok(())
}

fn netkit(_sandbox: &Sandbox) -> Result<()> {
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

fn netkit_errors(_sandbox: &Sandbox) -> Result<()> {
    let _device = Device::create(DeviceKind::Netkit, "kit")?;
    let hook = NetkitHook::Peer;
    ensure_error!(
        hook.query("nothing"),
        Error::NoSuchInterface { .. },
        Some(libc::ENODEV)
    );
    ensure_error!(
        hook.query("lo"),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::ENXIO)
    );
    ensure_error!(
        hook.query(device::peer_name("kit").as_str()),
        Error::Link(bpf_link::Error::PermissionDenied(_)),
        Some(libc::EACCES)
    );
    Ok(())
}

fn without_netkit(_sandbox: &Sandbox) -> Result<()> {
    ensure_error!(
        NetkitHook::Primary.query("lo"),
        Error::Link(bpf_link::Error::UnsupportedByKernel(_)),
        Some(libc::EINVAL)
    );
    Ok(())
}

fn netns(_sandbox: &Sandbox) -> Result<()> {
    const PATH: &str = "/proc/thread-self/ns/net";
    let netns = Netns::current()?;
    for (hook, load) in [
        (NetnsHook::FlowDissector, Hook::FLOW_DISSECTOR),
        (NetnsHook::SkLookup, Hook::SK_LOOKUP),
    ] {
        ensure!(hook.query(PATH)?.programs.is_empty());
        let program = Program::passing(load)?;
        let _link = NetnsAttach::to(FileRef::fd(&netns), hook).attach(&program)?;
        for file in [FileRef::from(PATH), FileRef::fd(&netns)] {
            let answer = hook.query(file)?;
            ensure!(entries(&answer) == [(program.id()?, None)]);
            ensure!(!answer.has_links && answer.revision.is_none());
        }
    }
    Ok(())
}

fn netns_errors(_sandbox: &Sandbox) -> Result<()> {
    let hook = NetnsHook::SkLookup;
    ensure_error!(
        hook.query("/proc/self/ns/nothing"),
        Error::File { .. },
        Some(libc::ENOENT)
    );
    ensure_error!(
        hook.query("/proc/self/comm"),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EINVAL)
    );
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let place = rustix::fs::open("/proc/thread-self/ns/net", flags, Mode::empty())?;
    ensure_error!(
        hook.query(place.as_fd()),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EBADF)
    );
    Ok(())
}

fn sockmap(_sandbox: &Sandbox) -> Result<()> {
    let map = Map::sockmap(1)?;
    let hook = SockmapHook::MsgVerdict;
    ensure!(hook.query(&map)?.programs.is_empty());
    let program = Program::passing(Hook::SK_MSG_VERDICT)?;
    let link = SockmapAttach::to(&map, hook).attach(&program)?;
    let answer = hook.query(&map)?;
    ensure!(entries(&answer) == [(program.id()?, None)]);
    ensure!(!answer.has_links && answer.revision.is_none());
    ensure!(SockmapHook::SkbVerdict.query(&map)?.programs.is_empty());
    drop(link);
    ensure!(hook.query(&map)?.programs.is_empty());
    Ok(())
}

fn sockmap_errors(_sandbox: &Sandbox) -> Result<()> {
    let (array, file) = (Map::array(4, 1)?, std::fs::File::open("/proc/self/comm")?);
    for (fd, errno) in [
        (array.as_fd(), libc::EOPNOTSUPP),
        (file.as_fd(), libc::EINVAL),
    ] {
        ensure_error!(
            SockmapHook::MsgVerdict.query(&fd),
            Error::Link(bpf_link::Error::Command(_)),
            Some(errno)
        );
    }
    Ok(())
}

fn before_sockmaps_were_asked(_sandbox: &Sandbox) -> Result<()> {
    let map = Map::sockmap(1)?;
    ensure_error!(
        SockmapHook::MsgVerdict.query(&map),
        Error::Link(bpf_link::Error::UnsupportedByKernel(_)),
        Some(libc::EINVAL)
    );
    Ok(())
}

fn it_takes_a_privilege(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("query")?;
    let netns = Netns::current()?;
    let map = Map::sockmap(1)?;
    as_nobody(|| {
        for asked in [
            CgroupHook::InetEgress.query(FileRef::fd(&cgroup)),
            CgroupHook::InetEgress.query_effective(FileRef::fd(&cgroup)),
            NetnsHook::SkLookup.query(FileRef::fd(&netns)),
            TcxHook::Ingress.query(LOOPBACK),
            NetkitHook::Primary.query(LOOPBACK),
            SockmapHook::MsgVerdict.query(&map),
        ] {
            ensure_error!(
                asked,
                Error::Link(bpf_link::Error::PermissionDenied(_)),
                Some(libc::EPERM)
            );
        }
        Ok(())
    })
}
