//! Snapshots while links come and go.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{LinkId, RawLink, Snapshotter};
use bpf_link_tests::Sandbox;

use super::{ITERATOR, ids, read};
use crate::harness::{Test, test};
use crate::lister::churn::{devices, duration, iterators};
use crate::lister::many;

pub(crate) const TESTS: &[Test] = &[test!(every_stable_link_is_met_once)
    .needs(ITERATOR)
    .alone()
    .minutes(4)];

/// How many links are there all the time.
const STABLE: usize = 1_000;

fn every_stable_link_is_met_once(_sandbox: &Sandbox) -> Result<()> {
    const BUFFERS: [usize; 6] = [Snapshotter::BUFFER, 1, 57, 1_000, 1 << 20, 4_096];
    let stable = many(STABLE)?;
    let stable = stable
        .iter()
        .map(RawLink::id)
        .collect::<Result<Vec<LinkId>, _>>();
    let stable = stable?;
    let snapshotter = Snapshotter::load()?;
    let stop = AtomicBool::new(false);
    let end = Instant::now() + duration()?;
    thread::scope(|scope| {
        let working = [devices, devices, iterators].map(|work| {
            let stop = &stop;
            scope.spawn(move || work(stop))
        });
        let mut snapshots = 0;
        let mut buffers = BUFFERS.into_iter().cycle();
        let right = loop {
            let len = buffers.next().context("it goes round")?;
            if let Err(error) = check(&snapshotter, len, &stable) {
                break Err(error).with_context(|| format!("snapshot {snapshots}, {len} bytes"));
            }
            snapshots += 1;
            if Instant::now() >= end {
                break Ok(());
            }
        };
        stop.store(true, Ordering::Relaxed);
        for thread in working {
            let rounds = thread
                .join()
                .map_err(|_| anyhow::anyhow!("it panicked"))??;
            println!("{rounds} rounds");
            ensure!(rounds > 0, "nothing came and went");
        }
        println!("{snapshots} snapshots");
        right
    })
}

/// None is missing, repeated or out of order.
fn check(snapshotter: &Snapshotter, len: usize, stable: &[LinkId]) -> Result<()> {
    let met = ids(&read(snapshotter, len)?);
    ensure!(
        met.is_sorted_by(|a, b| a < b),
        "not in order, or twice: {met:?}"
    );
    let mut rest = met.iter();
    let missing: Vec<_> = stable
        .iter()
        .filter(|id| !rest.any(|met| met == *id))
        .collect();
    ensure!(missing.is_empty(), "missing: {missing:?}");
    Ok(())
}
