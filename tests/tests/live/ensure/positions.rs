//! Positions among the programs of a hook, over restarts and upgrades.

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::{Device, DeviceKind, Hook, Program, Sandbox, eventually_holds};
use bpf_link_typed::{
    Anchor, Attach as _, AttachProgram, CgroupAttach, CgroupHook, Ensure, Link, LinkAnchor,
    NetkitAttach, NetkitHook, Position, TcxAttach, TcxHook,
    ensure::{Outcome, Why},
};

use crate::ensure::end::ensure_nothing_left;
use crate::ensure::id_of;
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(beside_an_anchor).needs(Need::TCX),
    test!(beside_an_anchor_that_has_gone).needs(Need::TCX),
    test!(beside_an_anchor_that_has_gone_from_a_cgroup)
        .needs(&[Need::Member("cgroup_bpf", "revisions")]),
    test!(first_in_a_cgroup).needs(&[Need::Member("cgroup_bpf", "revisions")]),
    test!(first_on_a_tcx_hook).needs(Need::TCX),
    test!(first_on_a_netkit_hook).needs(Need::NETKIT),
    test!(last_on_a_tcx_hook).needs(Need::TCX),
];

fn out_of_place(outcome: Outcome) -> Result<bool> {
    match outcome {
        Outcome::Replaced {
            why: Why::OutOfPlace,
            gap,
            ..
        } => Ok(gap),
        outcome => anyhow::bail!("{outcome:?}"),
    }
}

/// Somebody else is first now: that is reported, and put right where that was asked for.
fn displaced<A: AttachProgram<Link: Into<Link>>>(
    sandbox: &Sandbox,
    (to, theirs): (&A, &A),
    hook: Hook,
    gap_for_the_same: bool,
) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    let (first, second) = (Program::passing(hook)?, Program::passing(hook)?);
    let to = to.clone().ensure_pinned(&pin);
    let run = |to: &Ensure<A>, program: &Program| -> Result<(Outcome, Option<bool>)> {
        let done = to.run(program)?;
        Ok((done.outcome, done.is_in_place))
    };
    ensure!(run(&to, &first)? == (Outcome::Created, Some(true)));

    let other: Link = theirs.attach(&Program::passing(hook)?)?.into();
    ensure!(run(&to, &first)? == (Outcome::AlreadyRunning, Some(false)));
    let (outcome, in_place) = run(&to, &second)?;
    ensure!(matches!(outcome, Outcome::Updated { .. }) && in_place == Some(false));

    // Another program takes its place beside the old one.
    let to = to.restore_position();
    let (outcome, in_place) = run(&to, &first)?;
    ensure!(!out_of_place(outcome)? && in_place == Some(true));
    ensure!(run(&to, &first)? == (Outcome::AlreadyRunning, Some(true)));

    // The same program may not.
    let another: Link = theirs.attach(&Program::passing(hook)?)?.into();
    let (outcome, in_place) = run(&to, &first)?;
    ensure!(out_of_place(outcome)? == gap_for_the_same && in_place == Some(true));
    drop((other, another));
    let pinned = Link::from_pinned(&pin)?;
    ensure!(sandbox.pinned()? == [pin]);
    pinned.detach_and_unpin()?;
    ensure_nothing_left(sandbox)
}

fn first_on_a_tcx_hook(sandbox: &Sandbox) -> Result<()> {
    let to = TcxAttach::to("lo", TcxHook::Ingress).position(Position::First);
    displaced(sandbox, (&to, &to), Hook::TCX_INGRESS, true)
}

fn first_on_a_netkit_hook(sandbox: &Sandbox) -> Result<()> {
    let device = Device::create(DeviceKind::Netkit, "kit")?;
    let to = NetkitAttach::to("kit", NetkitHook::Primary).position(Position::First);
    displaced(sandbox, (&to, &to), Hook::NETKIT_PRIMARY, true)?;
    device.delete()
}

fn last_on_a_tcx_hook(sandbox: &Sandbox) -> Result<()> {
    let to = TcxAttach::to("lo", TcxHook::Ingress).position(Position::Last);
    displaced(sandbox, (&to, &to), Hook::TCX_INGRESS, true)
}

/// A cgroup takes one program twice, by two links.
fn first_in_a_cgroup(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("order")?;
    let to = CgroupAttach::to(cgroup.path(), CgroupHook::InetEgress).position(Position::First);
    displaced(sandbox, (&to, &to), Hook::CGROUP_EGRESS, false)?;

    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    let anchor = to.attach(&Program::passing(Hook::CGROUP_EGRESS)?)?;
    let pin = sandbox.bpffs().join("pin");
    let after = to
        .clone()
        .position(Position::After(LinkAnchor::link(&anchor)))
        .ensure_pinned(&pin);
    ensure!(after.run(&program)?.is_in_place == Some(true));
    // Twice on the list: the kernel does not tell which is ours.
    let twice = to.attach(&program)?;
    ensure!(after.run(&program)?.is_in_place.is_none());
    drop(twice);
    eventually_holds("once", || Ok(after.run(&program)?.is_in_place.is_some()))?;
    drop(anchor);
    eventually_holds("first", || {
        Ok(to.clone().ensure_pinned(&pin).run(&program)?.is_in_place == Some(true))
    })?;
    Link::from_pinned(&pin)?.detach_and_unpin()?;
    ensure_nothing_left(sandbox)
}

/// There is no such position, so the link stays where it is, and the report says so.
fn without_the_anchor<A: AttachProgram<Link: Into<Link>>>(
    sandbox: &Sandbox,
    to: &A,
    hook: Hook,
    leave: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    let programs = [Program::passing(hook)?, Program::passing(hook)?];
    let to = to.clone().ensure_pinned(&pin).restore_position();
    let [first, second] = &programs;
    let done = to.run(first)?;
    ensure!(done.outcome == Outcome::Created && done.is_in_place == Some(true));
    drop(done);
    leave()?;
    for (program, is_kept) in [(first, true), (second, false), (second, true)] {
        let done = to.run(program)?;
        ensure!(
            (done.outcome == Outcome::AlreadyRunning) == is_kept
                && matches!(done.outcome, Outcome::Updated { .. }) != is_kept,
            "{:?}",
            done.outcome
        );
        ensure!(done.is_in_place == Some(false));
        let link: Link = done.link.into();
        ensure!(link.info()?.program_id() == Some(id_of(program)?));
    }
    Ok(Link::from_pinned(&pin)?.detach_and_unpin()?)
}

fn beside_an_anchor_that_has_gone(sandbox: &Sandbox) -> Result<()> {
    let here = TcxAttach::to("lo", TcxHook::Ingress);
    let theirs = Program::passing(Hook::TCX_INGRESS)?;
    let anchor = here.attach(&theirs)?;
    let to = here
        .clone()
        .position(Position::Before(Anchor::link(&anchor)));
    without_the_anchor(sandbox, &to, Hook::TCX_INGRESS, || {
        anchor.detach().map_err(Into::into)
    })?;
    drop(anchor);
    ensure_nothing_left(sandbox)
}

fn beside_an_anchor_that_has_gone_from_a_cgroup(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("order")?;
    let here = CgroupAttach::to(cgroup.path(), CgroupHook::InetEgress);
    let theirs = Program::passing(Hook::CGROUP_EGRESS)?;
    let anchor = here.attach(&theirs)?;
    let to = here
        .clone()
        .position(Position::Before(LinkAnchor::link(&anchor)));
    without_the_anchor(sandbox, &to, Hook::CGROUP_EGRESS, || {
        anchor.detach().map_err(Into::into)
    })?;
    drop(anchor);
    ensure_nothing_left(sandbox)
}

fn beside_an_anchor(sandbox: &Sandbox) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    let here = TcxAttach::to("lo", TcxHook::Ingress);
    let theirs = Program::passing(Hook::TCX_INGRESS)?;
    let anchor = here.attach(&theirs)?;
    let program = Program::passing(Hook::TCX_INGRESS)?;
    for anchor in [
        Anchor::link(&anchor),
        Anchor::LinkId(anchor.id()?),
        Anchor::program(&theirs),
        Anchor::ProgramId(id_of(&theirs)?),
    ] {
        let before = here.clone().position(Position::Before(anchor));
        let before = before.ensure_pinned(&pin);
        ensure!(before.run(&program)?.is_in_place == Some(true));
        let after = here.clone().position(Position::After(anchor));
        let after = after.ensure_pinned(&pin);
        ensure!(after.run(&program)?.is_in_place == Some(false));
        let done = after.restore_position().run(&program)?;
        ensure!(out_of_place(done.outcome)?);
        let programs = TcxHook::Ingress.query("lo")?.programs;
        let last = programs.last().context("it is there")?;
        ensure!(last.id == id_of(&program)?, "{programs:?}");
        done.link.detach_and_unpin()?;
    }
    drop(anchor);
    ensure_nothing_left(sandbox)
}
