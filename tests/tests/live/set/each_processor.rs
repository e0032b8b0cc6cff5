//! A counter on each processor, as links of a set.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::{Hook, Program, Sandbox, eventually_holds, processors};
use bpf_link_typed::{
    CounterEvent, Error, Link, LinkSet, PerfEventAttach, SoftwareEvent,
    ensure::{Outcome, Why},
    set::{Applied, EachProcessor, Stale},
};
use rustix::mount::{UnmountFlags, mount_bind, unmount};

use crate::ensure::end::{ensure_nothing_left, our_links};
use crate::fixture::attaching::counting;
use crate::harness::{Need, Test, test};
use crate::set::outcomes;

pub(crate) const TESTS: &[Test] = &[
    test!(applied_again_and_stopped).needs(Need::PERF_EVENT),
    test!(a_name_that_is_taken).needs(Need::PERF_EVENT),
    test!(a_processor_that_comes_and_goes)
        .needs(Need::PERF_EVENT)
        .also_needs(&[Need::SecondProcessor]),
    test!(a_processor_that_is_plugged)
        .needs(Need::PERF_EVENT)
        .also_needs(&[Need::OwnKernel, Need::OfflineProcessor])
        .alone(),
    test!(a_processor_that_is_offline_by_then)
        .needs(Need::PERF_EVENT)
        .also_needs(&[Need::OfflineProcessor]),
];

const ONLINE: &str = "/sys/devices/system/cpu/online";

fn directory(sandbox: &Sandbox) -> PathBuf {
    sandbox.bpffs().join("profile")
}

/// Each processor's clock, a thousand times in a second.
fn clock() -> PerfEventAttach<'static> {
    PerfEventAttach::to(CounterEvent::with_frequency(SoftwareEvent::CpuClock, 1000)).cookie(7)
}

fn apply(sandbox: &Sandbox, program: &Program, keep: bool) -> Result<(EachProcessor, Applied)> {
    let set = LinkSet::in_dir(directory(sandbox))
        .create_dir(0o700)
        .remove_stale(Stale::all());
    let mut set = if keep { set.keep_unreported() } else { set };
    let each = set.add_each_processor("cpu", clock(), program)?;
    let applied = set.apply()?;
    Ok((each, applied))
}

fn applied_again_and_stopped(sandbox: &Sandbox) -> Result<()> {
    let (program, counter) = counting(Hook::PERF_EVENT)?;
    let online = processors::online()?;
    let (each, applied) = apply(sandbox, &program, false)?;
    let numbers: Vec<u32> = each.keys().map(|(processor, _)| processor).collect();
    ensure!(numbers == online && each.changes()?.is_empty(), "{each:?}");
    let mut expected: Vec<PathBuf> = online
        .iter()
        .map(|number| directory(sandbox).join(format!("cpu{number}")))
        .collect();
    expected.sort();
    let mut pinned = sandbox.pinned()?;
    pinned.sort();
    ensure!(pinned == expected, "{pinned:?}");
    for (_, key) in each.keys() {
        let ensured = applied.get(key).context("its link")?;
        ensure!(ensured.outcome == Outcome::Created);
    }
    let ticks = || {
        let before = counter.read()?;
        eventually_holds("a tick", || Ok(counter.read()? > before))
    };
    ticks()?;
    drop(applied);

    // The same program again, and another.
    let (_, kept) = apply(sandbox, &program, true)?;
    let all = |applied: &Applied, is_so: &dyn Fn(&Outcome) -> bool| {
        let outcomes = outcomes(applied.report());
        ensure!(
            outcomes.len() == online.len() && outcomes.iter().all(is_so),
            "{outcomes:?}"
        );
        anyhow::Ok(())
    };
    all(&kept, &|outcome| *outcome == Outcome::AlreadyRunning)?;
    let replaced = |outcome: &Outcome, expected| matches!(outcome, Outcome::Replaced { why, gap: false, .. } if *why == expected);
    // Linux 6.6 and later tell the event, and no kernel the processor.
    let (_, anew) = apply(sandbox, &program, false)?;
    all(&anew, &|outcome| replaced(outcome, Why::NotReported))?;
    ticks()?;
    let (other, other_counter) = counting(Hook::PERF_EVENT)?;
    let (_, upgraded) = apply(sandbox, &other, true)?;
    all(&upgraded, &|outcome| replaced(outcome, Why::NotUpdatable))?;
    eventually_holds("a tick of the other", || Ok(other_counter.read()? > 0))?;
    ensure!(!kept.is_ours()? && upgraded.is_ours()?);
    drop((kept, anew));
    eventually_holds("the links of one version", || {
        Ok(our_links()?.len() == online.len())
    })?;
    let stopped = upgraded.stop()?;
    ensure!(stopped.len() == online.len());
    ensure_nothing_left(sandbox)
}

/// Nothing is added, not even what was not taken.
fn a_name_that_is_taken(sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::PERF_EVENT)?;
    let last = processors::online()?.pop().context("one is online")?;
    let mut set = LinkSet::in_dir(directory(sandbox)).create_dir(0o700);
    let key = set.add(format!("cpu{last}"), clock(), &program)?;
    let refused = set.add_each_processor("cpu", clock(), &program);
    ensure!(
        matches!(refused, Err(Error::NameInSet { ref name }) if name == key.name()),
        "{refused:?}"
    );
    let refused = set.add_each_processor("a.", clock(), &program);
    ensure!(matches!(refused, Err(Error::SetName { .. })), "{refused:?}");
    let each = set.add_each_processor("on", clock(), &program)?;
    let applied = set.apply()?;
    ensure!(
        applied.report().links.len() == each.keys().count() + 1,
        "{applied:?}"
    );
    applied.stop()?;
    ensure_nothing_left(sandbox)
}

/// What the kernel says is online, as the library reads it.
fn pretend(sandbox: &Sandbox, online: &str) -> Result<()> {
    let instead = sandbox.directory().join("online");
    std::fs::write(&instead, online)?;
    Ok(mount_bind(&instead, ONLINE)?)
}

fn a_processor_that_comes_and_goes(sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::PERF_EVENT)?;
    let online = processors::online()?;
    let (first, later) = online.split_first().context("one is online")?;
    pretend(sandbox, &format!("{first}\n"))?;
    let (each, applied) = apply(sandbox, &program, true)?;
    ensure!(applied.report().links.len() == 1 && each.changes()?.is_empty());
    drop(applied);
    unmount(ONLINE, UnmountFlags::empty())?;
    let changes = each.changes()?;
    ensure!(
        changes.came_online == later && changes.went_offline.is_empty(),
        "{changes:?}"
    );

    let id = Link::from_pinned(directory(sandbox).join(format!("cpu{first}")))?.id()?;
    let (each, applied) = apply(sandbox, &program, true)?;
    let outcomes = outcomes(applied.report());
    let (kept, created) = outcomes.split_first().context("one is there")?;
    ensure!(*kept == Outcome::AlreadyRunning, "{applied:?}");
    ensure!(applied.report().links.iter().any(|link| link.link == id));
    ensure!(
        created.iter().all(|outcome| *outcome == Outcome::Created),
        "{applied:?}"
    );
    ensure!(each.changes()?.is_empty());
    drop(applied);

    pretend(sandbox, &format!("{first}\n"))?;
    let changes = each.changes()?;
    ensure!(
        changes.went_offline == later && changes.came_online.is_empty(),
        "{changes:?}"
    );
    let (_, applied) = apply(sandbox, &program, true)?;
    let stale = &applied.report().stale;
    ensure!(stale.len() == later.len() && stale.iter().all(|link| link.removed.is_some()));
    pretend(sandbox, "none\n")?;
    let refused = each.changes();
    ensure!(matches!(refused, Err(Error::File { .. })), "{refused:?}");
    unmount(ONLINE, UnmountFlags::empty())?;
    unmount(ONLINE, UnmountFlags::empty())?;
    applied.stop()?;
    ensure_nothing_left(sandbox)
}

/// All or nothing.
fn a_processor_that_is_offline_by_then(sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::PERF_EVENT)?;
    let [online, offline] = [processors::online()?.pop(), processors::offline()?];
    let (online, offline) = online.zip(offline).context("one of each")?;
    pretend(sandbox, &format!("{online},{offline}\n"))?;
    let refused = apply(sandbox, &program, false);
    unmount(ONLINE, UnmountFlags::empty())?;
    let refused = refused.err().context("it was not refused")?;
    let Some(Error::SetNotApplied(failure)) = refused.downcast_ref() else {
        anyhow::bail!("{refused:?}");
    };
    ensure!(failure.name == format!("cpu{offline}"), "{failure:?}");
    ensure!(
        matches!(failure.source, Error::ProcessorOffline { processor, .. } if processor == offline)
    );
    ensure!(failure.source.errno() == Some(libc::ENODEV));
    ensure_nothing_left(sandbox)
}

/// A processor that was offline, and will be.
struct Plugged(String);

impl Plugged {
    fn set(&self, online: bool) -> Result<()> {
        let Self(file) = self;
        std::fs::write(file, if online { "1" } else { "0" }).context(file.clone())
    }
}

impl Drop for Plugged {
    fn drop(&mut self) {
        if let Err(error) = self.set(false) {
            eprintln!("{error:#}");
        }
    }
}

/// Its counter ends with it, and does not come back with it.
fn a_processor_that_is_plugged(sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::PERF_EVENT)?;
    let number = processors::offline()?.context("one is offline")?;
    let processor = Plugged(format!("/sys/devices/system/cpu/cpu{number}/online"));
    let (first, applied) = apply(sandbox, &program, true)?;
    drop(applied);
    processor.set(true)?;
    let changes = first.changes()?;
    ensure!(changes.came_online == [number] && changes.went_offline.is_empty());

    // Not more than a slow machine can make.
    let clock = CounterEvent::with_frequency(SoftwareEvent::CpuClock, 100).processor(number);
    let attach = || {
        let (program, counter) = counting(Hook::PERF_EVENT)?;
        let link = PerfEventAttach::to(clock).attach(&program)?;
        eventually_holds("ten ticks", || Ok(counter.read()? >= 10))?;
        anyhow::Ok((link, counter))
    };
    let (ended_link, counter) = attach()?;
    let (both, applied) = apply(sandbox, &program, true)?;
    ensure!(outcomes(applied.report()) == [Outcome::AlreadyRunning, Outcome::Created]);
    processor.set(false)?;
    let ended = counter.read()?;
    let changes = both.changes()?;
    ensure!(changes.went_offline == [number] && changes.came_online.is_empty());
    processor.set(true)?;
    ensure!(both.changes()?.is_empty());
    let another = attach()?;
    ensure!(
        counter.read()? == ended,
        "the counter of before counts again"
    );
    drop((ended_link, another));
    applied.stop()?;
    ensure_nothing_left(sandbox)
}
