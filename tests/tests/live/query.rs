//! Queries of hooks: which programs, by which links, in which order, at which revision.

use std::os::fd::AsFd as _;

use anyhow::{Result, ensure};
use bpf_link::{
    AttachFlags, AttachType, Error, Hook as QueriedHook, LinkCreate, MprogArgs, RawLink,
};
use bpf_link_tests::sys::{self, LinkTarget};
use bpf_link_tests::{Hook, Netns, Program, Sandbox};

use crate::fixture::{LOOPBACK, as_nobody, ensure_refused};
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(a_cgroup_and_its_ancestors),
    test!(a_cgroup_has_a_revision).needs(&[CGROUP_REVISIONS]),
    test!(a_cgroup_has_no_revision).needs(&[Need::Without(&CGROUP_REVISIONS)]),
    test!(a_network_namespace),
    test!(a_device).needs(Need::TCX),
    test!(a_device_that_there_is_not).needs(Need::TCX),
    test!(more_programs_than_fit_at_first).needs(Need::TCX),
    test!(what_cannot_be_asked),
    test!(it_takes_a_privilege),
];

/// Since Linux 6.17, and since some point of 6.12.
const CGROUP_REVISIONS: Need = Need::Member("cgroup_bpf", "revisions");

fn ids(hook: QueriedHook<'_>) -> Result<Vec<u32>> {
    let programs = hook.query()?.programs;
    Ok(programs
        .into_iter()
        .map(|program| program.id.get())
        .collect())
}

fn a_cgroup_and_its_ancestors(sandbox: &Sandbox) -> Result<()> {
    const EGRESS: AttachType = AttachType::CgroupInetEgress;
    let parent = sandbox.new_cgroup("parent")?;
    let child = parent.child("child")?;
    let of_child = QueriedHook::of_fd(EGRESS, &child);
    ensure!(of_child.query()?.programs.is_empty());
    let first = Program::passing(Hook::CGROUP_EGRESS)?;
    let second = Program::passing(Hook::CGROUP_EGRESS)?;
    let above = Program::passing(Hook::CGROUP_EGRESS)?;
    let link =
        |program, cgroup| RawLink::create(&LinkCreate::new(program, EGRESS).target_fd(cgroup));
    let _links = [
        link(&first, &child)?,
        link(&second, &child)?,
        link(&above, &parent)?,
    ];

    let answer = of_child.query()?;
    ensure!(!answer.has_links && answer.programs.iter().all(|program| program.link.is_none()));
    ensure!(answer.flags.bits() == bpf_link_sys::BPF_F_ALLOW_MULTI);
    ensure!(ids(of_child)? == [first.id()?, second.id()?]);
    ensure!(ids(of_child)? == sys::prog_query(LinkTarget::Fd(child.as_fd()), EGRESS.as_raw())?);
    ensure!(ids(of_child.effective())? == [first.id()?, second.id()?, above.id()?]);
    Ok(())
}

/// The revisions of a cgroup's hook before and after a program is attached.
fn revisions_of_a_cgroup(sandbox: &Sandbox) -> Result<[Option<u64>; 2]> {
    let cgroup = sandbox.new_cgroup("revision")?;
    let hook = QueriedHook::of_fd(AttachType::CgroupInetEgress, &cgroup);
    let before = hook.query()?.revision;
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    let request = LinkCreate::new(&program, AttachType::CgroupInetEgress).target_fd(&cgroup);
    let _link = RawLink::create(&request)?;
    Ok([before, hook.query()?.revision])
}

fn a_cgroup_has_a_revision(sandbox: &Sandbox) -> Result<()> {
    let [before, after] = revisions_of_a_cgroup(sandbox)?;
    ensure!(before.is_some() && after > before, "{before:?} {after:?}");
    Ok(())
}

fn a_cgroup_has_no_revision(sandbox: &Sandbox) -> Result<()> {
    let revisions = revisions_of_a_cgroup(sandbox)?;
    ensure!(revisions == [None, None], "{revisions:?}");
    Ok(())
}

fn a_network_namespace(_sandbox: &Sandbox) -> Result<()> {
    let netns = Netns::current()?;
    let hook = QueriedHook::of_fd(AttachType::SkLookup, &netns);
    ensure!(hook.query()?.programs.is_empty());
    let programs = [
        Program::passing(Hook::SK_LOOKUP)?,
        Program::passing(Hook::SK_LOOKUP)?,
    ];
    let link = |program| {
        RawLink::create(&LinkCreate::new(program, AttachType::SkLookup).target_fd(&netns))
    };
    let [first, second] = &programs;
    let links = [link(first)?, link(second)?];
    ensure!(ids(hook)? == [first.id()?, second.id()?]);
    let answer = hook.query()?;
    ensure!(!answer.has_links && answer.revision.is_none());
    drop(links);
    ensure!(ids(hook)?.is_empty());
    Ok(())
}

/// A tcx link on `lo`, before all others.
fn tcx(program: &Program) -> Result<RawLink> {
    let request = LinkCreate::new(program, AttachType::TcxIngress)
        .target_ifindex(LOOPBACK)
        .flags(AttachFlags::BEFORE)
        .args(MprogArgs::new());
    Ok(RawLink::create(&request)?)
}

fn a_device(_sandbox: &Sandbox) -> Result<()> {
    let hook = QueriedHook::of_device(AttachType::TcxIngress, LOOPBACK);
    let empty = hook.query()?;
    ensure!(empty.programs.is_empty() && empty.has_links && empty.revision == Some(1));
    let programs = [
        Program::passing(Hook::TCX_INGRESS)?,
        Program::passing(Hook::TCX_INGRESS)?,
    ];
    let [second, first] = &programs;
    let links = [tcx(second)?, tcx(first)?];
    let answer = hook.query()?;
    let found: Vec<_> = answer
        .programs
        .iter()
        .map(|program| (program.id.get(), program.link))
        .collect();
    let [second_link, first_link] = &links;
    let expected = [
        (first.id()?, Some(first_link.id()?)),
        (second.id()?, Some(second_link.id()?)),
    ];
    ensure!(found == expected, "{answer:?}");

    // The revision is what an expected revision is taken from.
    let third = Program::passing(Hook::TCX_INGRESS)?;
    let request = LinkCreate::new(&third, AttachType::TcxIngress).target_ifindex(LOOPBACK);
    let revision = answer.revision.unwrap_or_default();
    let stale = MprogArgs::new().expected_revision(revision - 1);
    ensure_refused!(
        RawLink::create(&request.args(stale)),
        Error::StaleRevision(_),
        Some(libc::ESTALE)
    );
    let _third_link = RawLink::create(&request.args(MprogArgs::new().expected_revision(revision)))?;
    ensure!(hook.query()?.revision == Some(revision + 1));

    // A program that is attached without a link has none.
    let legacy = Program::passing(Hook::TCX_EGRESS)?;
    let egress = AttachType::TcxEgress;
    let device = LinkTarget::Ifindex(LOOPBACK);
    sys::prog_attach(device, legacy.as_fd(), egress.as_raw(), 0)?;
    let answer = QueriedHook::of_device(egress, LOOPBACK).query()?;
    ensure!(
        answer.programs.len() == 1 && answer.programs.iter().all(|program| program.link.is_none())
    );
    sys::prog_detach(device, legacy.as_fd(), egress.as_raw())?;
    Ok(())
}

fn a_device_that_there_is_not(_sandbox: &Sandbox) -> Result<()> {
    let nowhere = QueriedHook::of_device(AttachType::TcxIngress, i32::MAX.unsigned_abs());
    ensure_refused!(nowhere.query(), Error::Command(_), Some(libc::ENODEV));
    Ok(())
}

fn more_programs_than_fit_at_first(_sandbox: &Sandbox) -> Result<()> {
    const MOST: usize = 63;
    let programs = (0..MOST)
        .map(|_| Program::passing(Hook::TCX_INGRESS))
        .collect::<Result<Vec<_>>>()?;
    let links = programs.iter().map(tcx).collect::<Result<Vec<_>>>()?;
    let answer = QueriedHook::of_device(AttachType::TcxIngress, LOOPBACK).query()?;
    ensure!(answer.programs.len() == MOST);
    let found: Vec<_> = answer
        .programs
        .iter()
        .rev()
        .map(|program| program.link)
        .collect();
    let made = links
        .iter()
        .map(|link| Ok(Some(link.id()?)))
        .collect::<Result<Vec<_>>>()?;
    ensure!(found == made);
    Ok(())
}

fn what_cannot_be_asked(_sandbox: &Sandbox) -> Result<()> {
    let file = std::fs::File::open("/proc/self/comm")?;
    ensure_refused!(
        QueriedHook::of_fd(AttachType::CgroupInetEgress, &file).query(),
        Error::Command(_),
        Some(libc::EBADF)
    );
    ensure_refused!(
        QueriedHook::of_fd(AttachType::SkLookup, &file).query(),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    let netns = Netns::current()?;
    ensure_refused!(
        QueriedHook::of_fd(AttachType::SkLookup, &netns)
            .effective()
            .query(),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    Ok(())
}

fn it_takes_a_privilege(_sandbox: &Sandbox) -> Result<()> {
    let netns = Netns::current()?;
    as_nobody(|| {
        ensure_refused!(
            QueriedHook::of_fd(AttachType::SkLookup, &netns).query(),
            Error::PermissionDenied(_),
            Some(libc::EPERM)
        );
        Ok(())
    })
}
