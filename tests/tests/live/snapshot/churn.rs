//! Snapshots while links come and go.

use anyhow::{Context as _, Result, ensure};
use bpf_link::{LinkId, RawLink, Snapshotter};
use bpf_link_tests::Sandbox;

use super::{ITERATOR, ids, read};
use crate::fixture::beside::check_beside;
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
    let mut buffers = BUFFERS.into_iter().cycle();
    let snapshots = check_beside(&[&devices, &devices, &iterators], duration()?, || {
        let len = buffers.next().context("the list of sizes is empty")?;
        check(&snapshotter, len, &stable).with_context(|| format!("{len} bytes"))
    })?;
    println!("{snapshots} snapshots");
    Ok(())
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
