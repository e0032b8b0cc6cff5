//! What a caller asks of a set besides its links: the lock, other users, and waiting.

use std::ffi::CString;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bpf_link::{Exposure, PinLock, temporary_pin};
use bpf_link_tests::{Hook, Map, Program, Sandbox, eventually_holds, names, pins};
use bpf_link_typed::{
    Attach as _, Error, Link, LinkSet, NetfilterAttach, NetfilterFamily, NetfilterHook, ProgramId,
    RawTracepointAttach, XdpAttach,
    ensure::{OldLink, Ours, Outcome},
    set::{Applied, Stale},
};

use crate::ensure::end::{ensure_nothing_left, our_links};
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(a_lock_that_is_kept),
    test!(a_lock_that_is_kept_from_a_stop),
    test!(directories_of_other_users),
    test!(pins_of_other_users),
    test!(what_else_other_users_have_pinned),
    test!(pins_of_a_netfilter_link_that_made_way).needs(Need::NETFILTER),
    test!(nobody_waits_for_the_lock_meanwhile),
    test!(waiting_for_old_links),
    test!(waiting_once_for_all),
];

/// The id of some other user.
const OTHER: u32 = 4321;

/// A set of one link, with what is asked of it.
fn lo<'a>(
    directory: &Path,
    program: &'a Program,
    ask: impl FnOnce(LinkSet<'a>) -> LinkSet<'a>,
) -> Result<LinkSet<'a>> {
    let mut set = ask(LinkSet::in_dir(directory));
    set.add("lo", XdpAttach::to("lo"), program)?;
    Ok(set)
}

fn a_lock_that_is_kept(sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    let directory = sandbox.bpffs().join("agent");
    fs::create_dir(&directory)?;
    let set = lo(&directory, &program, |set| set.lock_within(Duration::ZERO))?;
    let lock = PinLock::of(directory.join("lo"))?;
    let refused = set.apply();
    ensure!(
        matches!(&refused, Err(Error::Link(bpf_link::Error::LockHeld { .. }))),
        "{refused:?}"
    );
    ensure!(our_links()?.is_empty() && sandbox.pinned()?.is_empty());
    drop(lock);
    set.apply()?.stop()?;
    ensure_nothing_left(sandbox)
}

/// A stop waits for the lock once for all links, as long as the set did.
fn a_lock_that_is_kept_from_a_stop(sandbox: &Sandbox) -> Result<()> {
    const WAIT: Duration = Duration::from_secs(1);
    let names = ["a", "b", "c", "d", "e", "f"];
    // Old kernels take a program once on a tracepoint.
    let programs = names.map(|_| Program::passing(Hook::RAW_TRACEPOINT));
    let programs = programs.into_iter().collect::<Result<Vec<_>>>()?;
    let directory = sandbox.bpffs().join("agent");
    let mut set = LinkSet::in_dir(&directory)
        .create_dir(0o700)
        .lock_within(WAIT);
    for (name, program) in names.into_iter().zip(&programs) {
        set.add(name, RawTracepointAttach::to("sys_enter"), program)?;
    }
    let applied = set.apply()?;
    let lock = PinLock::of(directory.join("a"))?;
    let started = Instant::now();
    let refused = applied.stop();
    let took = started.elapsed();
    ensure!(
        matches!(&refused, Err(Error::Link(bpf_link::Error::LockHeld { .. }))),
        "{refused:?}"
    );
    let every_link = WAIT * u32::try_from(names.len())?;
    ensure!(took >= WAIT && took < every_link, "{took:?}");
    ensure!(our_links()?.len() == names.len());
    drop(lock);
    set.apply()?.stop()?;
    ensure_nothing_left(sandbox)
}

fn ensure_exposed(refused: &Result<(), Error>, at: &Path, by: Exposure) -> Result<()> {
    let Err(Error::Link(bpf_link::Error::Exposed { path, how })) = refused else {
        anyhow::bail!("{refused:?}");
    };
    ensure!(path == at && *how == by, "{refused:?}");
    Ok(())
}

fn directories_of_other_users(sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    let directory = sandbox.bpffs().join("agent");
    fs::create_dir(&directory)?;
    fs::set_permissions(&directory, Permissions::from_mode(0o1777))?;
    let set = lo(&directory, &program, |set| set)?;
    ensure_exposed(&set.plan().map(drop), &directory, Exposure::Writable)?;
    ensure_exposed(&set.apply().map(drop), &directory, Exposure::Writable)?;
    ensure!(our_links()?.is_empty());
    let set = lo(&directory, &program, LinkSet::allow_shared_directories)?;
    set.apply()?;

    // What somebody else has pinned there is not taken over for all that.
    let pin = directory.join("lo");
    chown(&pin, Some(OTHER), None)?;
    ensure_exposed(&set.plan().map(drop), &pin, Exposure::Owner(OTHER))?;
    ensure_exposed(&set.apply().map(drop), &pin, Exposure::Owner(OTHER))?;
    let set = set.allow_other_owner();
    set.plan()?;
    set.apply()?.stop()?;
    ensure_nothing_left(sandbox)
}

fn pins_of_other_users(sandbox: &Sandbox) -> Result<()> {
    let [old, new] = [Program::passing(Hook::XDP)?, Program::passing(Hook::XDP)?];
    let directory = sandbox.bpffs().join("agent");
    lo(&directory, &old, |set| set.create_dir(0o700))?.apply()?;
    let pin = directory.join("lo");
    chown(&pin, Some(OTHER), None)?;
    let set = lo(&directory, &new, |set| set)?;
    ensure_exposed(&set.apply().map(drop), &pin, Exposure::Owner(OTHER))?;
    let link = Link::from_pinned(&pin)?;
    ensure!(link.info()?.program_id().map(ProgramId::get) == Some(old.id()?));

    let applied = set.allow_other_owner().apply()?;
    let outcome = applied.report().links.first().map(|link| link.outcome);
    ensure!(
        matches!(outcome, Some(Outcome::Updated { .. })),
        "{applied:?}"
    );
    ensure!(fs::metadata(&pin)?.uid() == 0);
    applied.stop()?;
    drop(link);
    ensure_nothing_left(sandbox)
}

/// A map, a link that is not in the set, and something by the name of a temporary pin: they stay,
/// and keep nobody from anything.
fn what_else_other_users_have_pinned(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    fs::create_dir(&directory)?;
    let theirs = [
        directory.join("map"),
        directory.join("link"),
        temporary_pin(directory.join("lo")),
    ];
    let (map, program) = (Map::array(4, 1)?, Program::passing(Hook::RAW_TRACEPOINT)?);
    pins::pin(&map, &theirs[0])?;
    pins::pin(&map, &theirs[2])?;
    let mut link = RawTracepointAttach::to("sys_enter").attach(&program)?;
    link.pin(&theirs[1])?;
    for pin in &theirs {
        chown(pin, Some(OTHER), None)?;
    }
    let programs = [Program::passing(Hook::XDP)?, Program::passing(Hook::XDP)?];
    for program in &programs {
        let set = lo(&directory, program, |set| set.remove_stale(Stale::all()))?;
        let applied = set.apply()?;
        let report = applied.report();
        ensure!(report.stale.is_empty(), "{report}");
        ensure!(
            report.left_over.is_empty() && applied.is_ours()?,
            "{report}"
        );
        ensure!(sandbox.pinned()?.len() == 1 + theirs.len());
    }
    ensure!(our_links()?.len() == 2);
    for pin in &theirs {
        ensure!(fs::symlink_metadata(pin)?.uid() == OTHER);
        fs::remove_file(pin)?;
    }
    drop(link);
    lo(&directory, &programs[1], |set| set)?.apply()?.stop()?;
    ensure_nothing_left(sandbox)
}

/// The kernel reports a dead netfilter link like a live one. If a pin of it were left, every later
/// run would find it as one of ours.
fn pins_of_a_netfilter_link_that_made_way(sandbox: &Sandbox) -> Result<()> {
    let elsewhere = sandbox.bpffs().join("elsewhere");
    fs::create_dir(&elsewhere)?;
    let name = CString::new(names::object_name("prog"))?;
    let netfilter = || NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::LocalOut, 79);
    let apply = || -> Result<_> {
        let mut set = LinkSet::in_dir(sandbox.bpffs().join("agent"))
            .create_dir(0o700)
            .take_over(Ours::by_name(&name));
        set.add("netfilter", netfilter(), Program::passing(Hook::NETFILTER)?)?;
        Ok(set.apply()?)
    };
    let taken_over = |applied: &Applied| {
        applied
            .report()
            .links
            .first()
            .and_then(|link| link.taken_over)
    };
    let old = netfilter()
        .ensure_pinned(elsewhere.join("pin"))
        .run(&Program::passing(Hook::NETFILTER)?)?
        .link
        .id()?;
    let applied = apply()?;
    ensure!(taken_over(&applied) == Some(old), "{applied:?}");
    drop(applied);
    let pin = sandbox.bpffs().join("agent/netfilter");
    ensure!(sandbox.pinned()? == [&*pin], "{:?}", sandbox.pinned()?);
    // No other pin is left, so the next run finds only this link of ours.
    let held = Link::from_pinned(&pin)?;
    fs::remove_file(&pin)?;
    let applied = apply()?;
    ensure!(taken_over(&applied) == Some(held.id()?), "{applied:?}");
    drop(held);
    applied.stop()?;
    fs::remove_dir(&elsewhere)?;
    ensure_nothing_left(sandbox)
}

/// A set of links of new programs.
fn entries<'a>(directory: &Path, names: &[&str], wait: Duration) -> Result<LinkSet<'a>> {
    let mut set = LinkSet::in_dir(directory)
        .create_dir(0o700)
        .wait_for_old(wait);
    for name in names {
        let program = Program::passing(Hook::RAW_TRACEPOINT)?;
        set.add(name, RawTracepointAttach::to("sys_enter"), program)?;
    }
    Ok(set)
}

fn old_links(applied: &Applied) -> Vec<OldLink> {
    let links = applied.report().links.iter();
    links
        .filter_map(|link| match link.outcome {
            Outcome::Replaced { old_link, .. } => Some(old_link),
            _ => None,
        })
        .collect()
}

/// Others can take the lock while a set waits for its old links.
fn nobody_waits_for_the_lock_meanwhile(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    let (names, wait) = (["a", "b"], Duration::from_secs(600));
    entries(&directory, &names, wait)?.apply()?;
    let open = |name| Link::from_pinned(directory.join(name));
    let [first, second] = [open(names[0])?, open(names[1])?];
    let old = second.id()?;
    let newer = entries(&directory, &names, wait)?;
    let applied = std::thread::scope(|scope| {
        let running = scope.spawn(|| newer.apply());
        eventually_holds("the new links are pinned", || {
            Ok(open(names[1])?.id()? != old)
        })?;
        drop(PinLock::of(directory.join("a"))?);
        drop(first);
        ensure!(!running.is_finished(), "it has not waited for the second");
        drop(second);
        running.join().ok().context("it panicked")?.context("apply")
    })?;
    ensure!(
        old_links(&applied) == [OldLink::Gone; 2],
        "{}",
        applied.report()
    );
    applied.stop()?;
    ensure_nothing_left(sandbox)
}

/// However many old links are held, a set waits once.
fn waiting_once_for_all(sandbox: &Sandbox) -> Result<()> {
    const WAIT: Duration = Duration::from_secs(1);
    let directory = sandbox.bpffs().join("agent");
    let names = ["a", "b", "c", "d", "e", "f"];
    entries(&directory, &names, WAIT)?.apply()?;
    let held = names.map(|name| Link::from_pinned(directory.join(name)));
    let newer = entries(&directory, &names, WAIT)?;
    let started = Instant::now();
    let applied = newer.apply()?;
    let took = started.elapsed();
    ensure!(took >= WAIT && took < 5 * WAIT, "{took:?}");
    let mut expected = Vec::new();
    for link in held {
        expected.push(OldLink::Held(link?.id()?));
    }
    ensure!(old_links(&applied) == expected, "{}", applied.report());
    applied.stop()?;
    ensure_nothing_left(sandbox)
}

/// One is held by somebody else, one is not, and one is stale.
fn waiting_for_old_links(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    let names = ["free", "held", "stale"];
    let apply = |names: &[&str]| -> Result<_> {
        let mut set = LinkSet::in_dir(&directory)
            .create_dir(0o700)
            .remove_stale(Stale::all())
            .wait_for_old(Duration::from_secs(2));
        for name in names {
            let program = Program::passing(Hook::RAW_TRACEPOINT)?;
            set.add(name, RawTracepointAttach::to("sys_enter"), program)?;
        }
        Ok(set.apply()?)
    };
    apply(&names)?;
    let held = Link::from_pinned(directory.join("held"))?;
    let id = held.id()?;
    let applied = apply(&names[..2])?;
    let old_links: Vec<_> = applied
        .report()
        .links
        .iter()
        .map(|link| match link.outcome {
            Outcome::Replaced { old_link, .. } => Some(old_link),
            _ => None,
        })
        .collect();
    ensure!(
        old_links == [Some(OldLink::Gone), Some(OldLink::Held(id))],
        "{applied:?}"
    );
    let stale = applied.report().stale.first().map(|link| link.removed);
    ensure!(stale == Some(Some(OldLink::Gone)), "{applied:?}");
    drop(held);
    applied.stop()?;
    ensure_nothing_left(sandbox)
}
