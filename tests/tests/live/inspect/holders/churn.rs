//! Holders while links and processes come and go.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, ensure};
use bpf_link::{LinkId, RawLink};
use bpf_link_tests::{Sandbox, sys};
use bpf_link_typed::inspect::{HolderMethod, Holders};

use super::{HOLDER, ITERATOR};
use crate::fixture::beside::check_beside;
use crate::fixture::text;
use crate::harness::{Test, test};
use crate::lister::churn::{devices, duration, iterators};
use crate::lister::many;

pub(crate) const TESTS: &[Test] = &[test!(as_procfs_has_it).needs(ITERATOR).alone().minutes(4)];

/// How many links there are all the time, and how many of them another process has, too.
const STABLE: usize = 200;
const SHARED: usize = 3;

/// Forks a process again and again, which has every link of this one for a moment.
fn processes(stop: &AtomicBool) -> Result<u64> {
    let mut rounds = 0;
    while !stop.load(Ordering::Relaxed) {
        sys::fork(&mut || {})?.wait()?;
        rounds += 1;
    }
    Ok(rounds)
}

fn as_procfs_has_it(sandbox: &Sandbox) -> Result<()> {
    let mut stable = many(STABLE)?;
    let mut players = Vec::new();
    for (nth, link) in stable.iter_mut().take(SHARED).enumerate() {
        let path = sandbox.bpffs().join(format!("pin{nth}"));
        link.pin(&path)?;
        let mut player = HOLDER.start(&[text(&path)?])?;
        player.hear()?;
        players.push(player);
    }
    let ids = stable.iter().map(RawLink::id);
    let ids = ids.collect::<Result<Vec<LinkId>, _>>()?;
    let (mut iterator, mut procfs) = (Holders::new(), Holders::by_procfs());
    let checks = check_beside(&[&devices, &iterators, &processes], duration()?, || {
        iterator.refresh();
        ensure!(
            iterator.method() == Some(HolderMethod::Iterator),
            "{iterator:?}"
        );
        procfs.refresh();
        for (nth, id) in ids.iter().enumerate() {
            // A forked process may still have them, too.
            let lasting = |holders: &Holders| {
                let known =
                    |pid| pid == std::process::id() || players.iter().any(|one| one.id() == pid);
                let holders = holders.of(*id).iter().copied();
                holders.filter(|one| known(one.pid())).collect::<Vec<_>>()
            };
            let (one, other) = (lasting(&iterator), lasting(&procfs));
            ensure!(one == other, "{one:?} {other:?}");
            ensure!(one.len() == 1 + usize::from(nth < SHARED), "{one:?}");
        }
        Ok(())
    })?;
    println!("{checks} times both");
    for player in players {
        player.finish()?;
    }
    for link in stable.iter_mut().take(SHARED) {
        link.unpin()?;
    }
    Ok(())
}
