//! What becomes of the link that was pinned before, of the same kind and of another.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{PinEntry, PinLock, temporary_pin};
use bpf_link_tests::{CounterMap, Hook, Loader, Program, Sandbox, eventually_holds};
use bpf_link_typed::{
    Attach as _, Link, LinkId, RawTracepointAttach, RawTracepointLink, TcxAttach, TcxHook,
    XdpAttach,
    ensure::{Ensured, LeftOver, OldLink, Ours, Outcome, Planned, Why},
};

use crate::ensure::end::{ensure_nothing_left, ensure_one_link_and_pin};
use crate::ensure::{Attached, id_of};
use crate::fixture::attaching::counting;
use crate::fixture::runs;
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(a_held_link_is_released).alone(),
    test!(nobody_waits_for_the_lock_meanwhile),
    test!(none_runs_once_it_is_said_to_be_gone),
    test!(of_another_kind).needs(Need::TCX),
    test!(elsewhere_when_another_is_taken_over).needs(Need::TCX),
    test!(of_another_kind_after_a_kill).needs(Need::TCX),
    test!(of_another_kind_that_cannot_be_detached),
];

fn tracepoint() -> Result<Program> {
    Loader::new(Hook::RAW_TRACEPOINT)
        .in_this_process()
        .passing()
}

/// Its program is off, though the old agent still holds it.
fn of_another_kind(sandbox: &Sandbox) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    let (old, counter) = counting(Hook::XDP)?;
    let new = Program::passing(Hook::TCX_INGRESS)?;
    let held = XdpAttach::to("lo").ensure_pinned(&pin).run(&old)?.link;
    ensure!(runs(&counter)?);
    let to = TcxAttach::to("lo", TcxHook::Ingress)
        .ensure_pinned(&pin)
        .replace_other();
    let previous = Some(Attached::Program(id_of(&old)?));
    let planned = to.plan(&new)?.planned;
    ensure!(
        matches!(
            planned,
            Planned::Replace { link: Some(link), previous: found, .. }
                if link == held.id()? && found == previous
        ),
        "{planned:?}"
    );
    let done = to.run(&new)?;
    let expected = Outcome::Replaced {
        why: Why::NotSuchALink,
        previous,
        gap: false,
        old_link: OldLink::Gone,
    };
    ensure!(done.outcome == expected, "{done:?}");
    ensure!(held.info()?.is_defunct() == Some(true) && !runs(&counter)?);
    drop(held);
    ensure_one_link_and_pin(sandbox, &pin)?;
    done.link.detach_and_unpin()?;
    ensure_nothing_left(sandbox)
}

/// This link, which ran this program, has lost its pin and is gone.
fn ensure_displaced<L: std::fmt::Debug>(
    done: &Ensured<L>,
    link: LinkId,
    program: &Program,
) -> Result<()> {
    let displaced = done.displaced.context("the old one has lost its pin")?;
    ensure!(
        displaced.link == link
            && displaced.previous == Some(Attached::Program(id_of(program)?))
            && displaced.old_link == OldLink::Gone,
        "{done:?}"
    );
    Ok(())
}

/// A run was killed when it had pinned the new link beside the old one: the next run finishes that,
/// and the old program is off as well.
fn of_another_kind_after_a_kill(sandbox: &Sandbox) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    let (old, counter) = counting(Hook::XDP)?;
    let new = Program::passing(Hook::TCX_INGRESS)?;
    let held = XdpAttach::to("lo").ensure_pinned(&pin).run(&old)?.link;
    let to = TcxAttach::to("lo", TcxHook::Ingress);
    let mut left = to.attach(&new)?;
    left.pin(temporary_pin(&pin))?;
    ensure!(runs(&counter)?);
    let done = to.ensure_pinned(&pin).replace_other().run(&new)?;
    ensure!(done.left_over == Some(LeftOver::Finished), "{done:?}");
    ensure_displaced(&done, held.id()?, &old)?;
    ensure!(done.link.id()? == left.id()?, "{done:?}");
    ensure!(held.info()?.is_defunct() == Some(true) && !runs(&counter)?);
    drop((held, left));
    ensure_one_link_and_pin(sandbox, &pin)?;
    done.link.detach_and_unpin()?;
    ensure_nothing_left(sandbox)
}

/// The path has a link on another hook, and a link of ours is on the wanted one: that is pinned
/// there, and the other is off.
fn elsewhere_when_another_is_taken_over(sandbox: &Sandbox) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    let ((old, counter), new) = (
        counting(Hook::TCX_EGRESS)?,
        Program::passing(Hook::TCX_INGRESS)?,
    );
    let egress = TcxAttach::to("lo", TcxHook::Egress).ensure_pinned(&pin);
    let held = egress.run(&old)?.link;
    let to = TcxAttach::to("lo", TcxHook::Ingress);
    let orphan = to.attach(&new)?;
    ensure!(runs(&counter)?);
    let name = std::ffi::CString::new(new.name()?)?;
    let done = to
        .ensure_pinned(&pin)
        .take_over(Ours::by_name(&name))
        .run(&new)?;
    ensure!(done.taken_over == Some(orphan.id()?), "{done:?}");
    ensure_displaced(&done, held.id()?, &old)?;
    ensure!(held.info()?.is_defunct() == Some(true) && !runs(&counter)?);
    drop((held, orphan));
    ensure_one_link_and_pin(sandbox, &pin)?;
    done.link.detach_and_unpin()?;
    ensure_nothing_left(sandbox)
}

fn of_another_kind_that_cannot_be_detached(sandbox: &Sandbox) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    let old = tracepoint()?;
    let held = RawTracepointAttach::to(c"sched_process_exit")
        .ensure_pinned(&pin)
        .run(&old)?
        .link;
    let to = XdpAttach::to("lo").ensure_pinned(&pin).replace_other();
    let done = to.run(&Program::passing(Hook::XDP)?)?;
    let expected = Outcome::Replaced {
        why: Why::NotSuchALink,
        previous: Some(Attached::Program(id_of(&old)?)),
        gap: false,
        old_link: OldLink::Released(held.id()?),
    };
    ensure!(done.outcome == expected, "{done:?}");
    drop(held);
    ensure_one_link_and_pin(sandbox, &pin)?;
    done.link.detach_and_unpin()?;
    ensure_nothing_left(sandbox)
}

/// Nobody has looked, unless that was asked for.
fn a_held_link_is_released(sandbox: &Sandbox) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    let to = RawTracepointAttach::to(c"sched_process_exit").ensure_pinned(&pin);
    let first = to.run(&tracepoint()?)?.link;
    let id = first.id()?;
    let second = to.run(&tracepoint()?)?;
    ensure!(old_link(second.outcome)? == OldLink::Released(id));
    drop(first);
    eventually_holds("the first has gone", || Ok(Link::from_id(id).is_err()))?;

    let to = to.wait_for_old(Duration::from_millis(50));
    let third = to.run(&tracepoint()?)?;
    ensure!(old_link(third.outcome)? == OldLink::Held(second.link.id()?));
    drop((second, third));
    let fourth = to.run(&tracepoint()?)?;
    ensure!(old_link(fourth.outcome)? == OldLink::Gone);
    ensure_one_link_and_pin(sandbox, &pin)?;
    fourth.link.detach_and_unpin()?;
    ensure_nothing_left(sandbox)
}

fn old_link(outcome: Outcome) -> Result<OldLink> {
    match outcome {
        Outcome::Replaced { old_link, .. } => Ok(old_link),
        outcome => anyhow::bail!("{outcome:?}"),
    }
}

/// The lock is free while a run waits for the old link.
fn nobody_waits_for_the_lock_meanwhile(sandbox: &Sandbox) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    let to = RawTracepointAttach::to(c"sched_process_exit").ensure_pinned(&pin);
    let held = to.run(&tracepoint()?)?.link;
    let old = held.id()?;
    let waits = to.wait_for_old(Duration::from_secs(600));
    let new = tracepoint()?;
    let done = std::thread::scope(|scope| {
        let running = scope.spawn(|| waits.run(&new));
        eventually_holds("the new link is pinned", || {
            Ok(match PinEntry::at(&pin)? {
                PinEntry::Link(link) => link.id()? != old,
                _ => false,
            })
        })?;
        drop(PinLock::of(&pin)?);
        ensure!(!running.is_finished(), "it has not waited");
        drop(held);
        running.join().ok().context("it panicked")?.context("run")
    })?;
    ensure!(old_link(done.outcome)? == OldLink::Gone);
    ensure_one_link_and_pin(sandbox, &pin)?;
    done.link.detach_and_unpin()?;
    ensure_nothing_left(sandbox)
}

/// Kernels without `bpf_destroy_inode`, such as Linux 5.10, let go of a removed pin some time
/// later, and take the program off after the link's id has gone.
fn none_runs_once_it_is_said_to_be_gone(sandbox: &Sandbox) -> Result<()> {
    const REPLACEMENTS: usize = 50;
    let pin = sandbox.bpffs().join("pin");
    let to = RawTracepointAttach::to(c"sys_enter")
        .ensure_pinned(&pin)
        .wait_for_old(Duration::from_secs(10));
    // Each system call of this process counts.
    let counting = || -> Result<(Program, CounterMap)> {
        let counter = CounterMap::new()?;
        let entry = Loader::new(Hook::RAW_TRACEPOINT);
        Ok((
            entry.in_this_process().counting(&counter).passing()?,
            counter,
        ))
    };
    let (program, mut old) = counting()?;
    to.run(&program)?;
    for replacement in 1..=REPLACEMENTS {
        let (program, new) = counting()?;
        let done = to.run(&program)?;
        let count = old.read()?;
        ensure!(old_link(done.outcome)? == OldLink::Gone);
        ensure!(count > 0, "the old program has never run");
        let later = old.read()?;
        ensure!(
            later == count,
            "replacement {replacement}: the old program has run {} times since it was gone",
            later - count
        );
        old = new;
    }
    ensure_one_link_and_pin(sandbox, &pin)?;
    RawTracepointLink::from_pinned(&pin)?.detach_and_unpin()?;
    ensure_nothing_left(sandbox)
}
