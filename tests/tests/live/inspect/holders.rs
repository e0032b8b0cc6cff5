//! Which processes hold which links, by the kernel's iterator over files and by procfs.

mod churn;
mod methods;
mod roles;
mod scanner;

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use bpf_link::LinkId;
use bpf_link_tests::{Map, Sandbox};
use bpf_link_typed::inspect::{Holder, HolderMethod, Holders, UnreadHolders};

use crate::fixture::{Counted, text};
use crate::harness::Listed::{self, Roles, Tests};
use crate::harness::{Need, Test, test};

pub(crate) use roles::HOLDER;
use roles::{LAST, OWN_TABLE, THREAD_THAT_HOLDS};

/// What this file and those of its folder list.
pub(crate) const ALL: &[Listed] = &[
    Tests(TESTS),
    Tests(churn::TESTS),
    Tests(methods::TESTS),
    Tests(scanner::TESTS),
    Roles(methods::ROLES),
    Roles(roles::ROLES),
];

/// An iterator over files, since Linux 5.8.
const ITERATOR: &[Need] = &[Need::Iterator("task_file")];

const TESTS: &[Test] = &[
    test!(processes_by_the_iterator).needs(ITERATOR).alone(),
    test!(processes_by_procfs).alone(),
    test!(threads_by_the_iterator).needs(ITERATOR).alone(),
    test!(threads_by_procfs).alone(),
    test!(many_descriptors).needs(ITERATOR).alone().minutes(8),
];

fn by_the_iterator() -> Result<Holders> {
    let mut holders = Holders::new();
    holders.refresh();
    let (why, unread) = (holders.no_iterator(), holders.unread());
    ensure!(why.is_none() && unread.is_none(), "{why:?} {unread:?}");
    ensure!(holders.method() == Some(HolderMethod::Iterator));
    Ok(holders)
}

fn by_procfs() -> Result<Holders> {
    let mut holders = Holders::by_procfs();
    holders.refresh();
    // On some machines not even root may look at every process.
    ensure!(!matches!(holders.unread(), Some(UnreadHolders::Procfs(_))));
    ensure!(holders.method() == Some(HolderMethod::Procfs) && holders.no_iterator().is_none());
    Ok(holders)
}

/// The processes that hold a link.
fn pids(holders: &Holders, id: LinkId) -> Vec<u32> {
    holders.of(id).iter().map(Holder::pid).collect()
}

fn processes_by_the_iterator(sandbox: &Sandbox) -> Result<()> {
    processes(sandbox, by_the_iterator)
}

fn processes_by_procfs(sandbox: &Sandbox) -> Result<()> {
    processes(sandbox, by_procfs)
}

fn processes(sandbox: &Sandbox, find: fn() -> Result<Holders>) -> Result<()> {
    let mut counted = Counted::new()?;
    let id = counted.link.id()?;
    let own = std::process::id();
    let comm = std::fs::read_to_string("/proc/self/comm")?;
    let holders = find()?;
    ensure!(pids(&holders, id) == [own], "{holders:?}");
    for holder in holders.of(id) {
        ensure!(holder.link() == id, "{holder:?}");
        ensure!(holder.comm().to_str()? == comm.trim_end(), "{holder:?}");
    }
    let path = sandbox.bpffs().join("pin");
    counted.link.pin(&path)?;
    // It holds the link twice, and is listed once.
    let mut player = HOLDER.start(&[text(&path)?])?;
    player.hear()?;
    let map = Map::array(8, 1)?;
    let holders = find()?;
    drop(map);
    let both = BTreeSet::from([own, player.id()]);
    ensure!(pids(&holders, id) == Vec::from_iter(both), "{holders:?}");
    let theirs = holders.iter().filter(|holder| holder.pid() == player.id());
    let theirs: Vec<_> = theirs.map(Holder::link).collect();
    ensure!(theirs == [id], "{theirs:?}");
    let mut others = Holders::new().without_caller();
    others.refresh();
    ensure!(pids(&others, id) == [player.id()], "{others:?}");
    player.finish()?;
    ensure!(pids(&find()?, id) == [own]);
    Ok(counted.link.unpin()?)
}

fn threads_by_the_iterator(sandbox: &Sandbox) -> Result<()> {
    threads(sandbox, by_the_iterator)
}

fn threads_by_procfs(sandbox: &Sandbox) -> Result<()> {
    threads(sandbox, by_procfs)
}

/// A thread with a table of its own holds for its process, and so does one that lives on after the
/// first.
fn threads(sandbox: &Sandbox, find: fn() -> Result<Holders>) -> Result<()> {
    let (mut counted, id, path) = Counted::pinned(sandbox)?;
    for how in [OWN_TABLE, LAST] {
        let mut player = THREAD_THAT_HOLDS.start(&[how, text(&path)?])?;
        player.hear()?;
        let comm = std::fs::read_to_string(format!("/proc/{}/comm", player.id()))?;
        let holders = find()?;
        let both = BTreeSet::from([std::process::id(), player.id()]);
        ensure!(
            pids(&holders, id) == Vec::from_iter(both),
            "{how}: {holders:?}"
        );
        let mut of_link = holders.of(id).iter();
        let found = of_link.find(|holder| holder.pid() == player.id());
        let name = found.map(|holder| holder.comm().to_string_lossy());
        ensure!(name.as_deref() == Some(comm.trim_end()), "{how}: {found:?}");
        player.finish()?;
    }
    Ok(counted.link.unpin()?)
}

fn many_descriptors(sandbox: &Sandbox) -> Result<()> {
    let (mut counted, id, path) = Counted::pinned(sandbox)?;
    let mut player = roles::HOLDER_OF_MANY.start(&[text(&path)?])?;
    player.hear()?;
    let both = Vec::from_iter(BTreeSet::from([std::process::id(), player.id()]));
    ensure!(pids(&by_the_iterator()?, id) == both);
    ensure!(pids(&by_procfs()?, id) == both);
    let files = scanner::files(bpf_link::LinkFileScanner::BUFFER)?;
    let theirs = files.iter().filter(|file| file.pid() == player.id());
    let descriptors: BTreeSet<u32> = theirs.clone().map(bpf_link::LinkFile::fd).collect();
    ensure!(theirs.count() == roles::MANY && descriptors.len() == roles::MANY);
    player.finish()?;
    Ok(counted.link.unpin()?)
}
