//! Looks at all links at once, by an iterator of the kernel over them.

mod churn;
mod fields;
pub(crate) mod methods;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{
    Error, LinkId, RawLink, SnapshotEntry, SnapshotMethod, Snapshotter, link_ids, links,
};
use bpf_link_tests::{Hook, Program, Sandbox};

use crate::fixture::{ensure_refused, without_descriptors, xdp};
use crate::harness::Listed::{self, Tests};
use crate::harness::{Need, Test, test};
use crate::lister::many;

/// What this file and those of its folder list.
pub(crate) const ALL: &[Listed] = &[
    Tests(TESTS),
    Tests(churn::TESTS),
    Tests(fields::TESTS),
    Tests(methods::TESTS),
];

/// An iterator over links, since Linux 5.19.
pub(crate) const ITERATOR: &[Need] = &[Need::Iterator("bpf_link")];

const TESTS: &[Test] = &[
    test!(ids_kinds_and_programs).alone(),
    test!(its_own_link_is_left_out).needs(ITERATOR).alone(),
    test!(buffers_of_any_size).needs(ITERATOR).alone(),
    test!(several_at_a_time).needs(ITERATOR),
    test!(it_takes_descriptors).needs(ITERATOR),
];

const ALL_METHODS: [SnapshotMethod; 4] = [
    SnapshotMethod::TypedCast,
    SnapshotMethod::ProbeRead,
    SnapshotMethod::IdsOnly,
    SnapshotMethod::Walk,
];

/// A snapshot, with a buffer as it should be.
fn snapshot(snapshotter: &Snapshotter) -> Result<Vec<SnapshotEntry>> {
    read(snapshotter, Snapshotter::BUFFER)
}

fn read(snapshotter: &Snapshotter, len: usize) -> Result<Vec<SnapshotEntry>> {
    let mut buf = vec![0; len];
    let entries = snapshotter.read(&mut buf)?;
    Ok(entries.collect::<Result<_, _>>()?)
}

fn ids(entries: &[SnapshotEntry]) -> Vec<LinkId> {
    entries.iter().map(SnapshotEntry::id).collect()
}

/// The same as a walk says of the same links, by each method.
fn ids_kinds_and_programs(_sandbox: &Sandbox) -> Result<()> {
    let mut there = many(10)?;
    there.push(xdp(&Program::passing(Hook::XDP)?)?);
    for method in ALL_METHODS {
        let snapshotter = Snapshotter::load_at_most(method)?;
        let entries = snapshot(&snapshotter)?;
        ensure!(entries.is_sorted_by(|a, b| a.id() < b.id()), "{entries:?}");
        for link in &there {
            let info = link.info()?;
            let same = |entry: &&SnapshotEntry| entry.id() == info.id();
            let entry = entries.iter().find(same).context("it was not met")?;
            ensure!(entry.kind() == info.kind(), "{entry:?}");
            ensure!(entry.program_id() == info.program_id(), "{entry:?}");
        }
        // Links of others may come and go.
        let known = links().filter_map(|link| link.ok()?.info().ok());
        let known: Vec<_> = known.collect();
        let again = snapshot(&snapshotter)?;
        for info in known.iter().filter(|info| ids(&again).contains(&info.id())) {
            let entry = entries.iter().find(|entry| entry.id() == info.id());
            let differs = entry.is_some_and(|entry| entry.kind() != info.kind());
            ensure!(!differs, "{entry:?}: {info:?}");
        }
    }
    Ok(())
}

/// That there is one shows in a walk.
fn its_own_link_is_left_out(_sandbox: &Sandbox) -> Result<()> {
    let before = link_ids().collect::<Result<Vec<_>, _>>()?;
    let snapshotter = Snapshotter::load()?;
    let other = Snapshotter::load()?;
    let own = |entry: &&SnapshotEntry| {
        let name = entry.program_id().map(bpf_link::ProgramInfo::from_id);
        name.and_then(Result::ok)
            .is_some_and(|program| program.name.as_c_str() == c"bpf_link_snap")
    };
    let is_new = |id: &LinkId| !before.contains(id);
    let of = |snapshotter: &Snapshotter| {
        let entries = snapshot(snapshotter)?;
        let own: Vec<_> = entries.iter().filter(own).collect();
        anyhow::Ok(
            own.iter()
                .map(|entry| entry.id())
                .filter(is_new)
                .collect::<Vec<_>>(),
        )
    };
    // Each sees that of the other, and that of nobody else here.
    let ([theirs], [ours]) = (&of(&snapshotter)?[..], &of(&other)?[..]) else {
        anyhow::bail!("{:?} {:?}", of(&snapshotter)?, of(&other)?);
    };
    ensure!(theirs != ours);
    ensure!(RawLink::from_id(*ours).is_ok());
    let own = *ours;
    drop(snapshotter);
    bpf_link_tests::eventually_holds("its link goes with it", || {
        Ok(!bpf_link_tests::links::exists(own.get())?)
    })
}

fn buffers_of_any_size(_sandbox: &Sandbox) -> Result<()> {
    let there = many(900)?;
    let there = there
        .iter()
        .map(RawLink::id)
        .collect::<Result<Vec<_>, _>>()?;
    let snapshotter = Snapshotter::load()?;
    for len in [
        0,
        1,
        2,
        47,
        55,
        56,
        57,
        111,
        112,
        113,
        1_000,
        4_096,
        32_768,
        65_537,
        1 << 20,
    ] {
        let entries = ids(&read(&snapshotter, len)?);
        ensure!(entries.is_sorted_by(|a, b| a < b), "{len} bytes");
        let mut met = entries.iter();
        let missing: Vec<_> = there
            .iter()
            .filter(|id| !met.any(|met| met == *id))
            .collect();
        ensure!(missing.is_empty(), "{len} bytes: {missing:?}");
    }
    Ok(())
}

fn several_at_a_time(_sandbox: &Sandbox) -> Result<()> {
    let there = many(200)?;
    let there = there
        .iter()
        .map(RawLink::id)
        .collect::<Result<Vec<_>, _>>()?;
    let snapshotter = Snapshotter::load()?;
    std::thread::scope(|scope| {
        let reading = [1, 100, 5_000, 40_000].map(|len| {
            let (snapshotter, there) = (&snapshotter, &there);
            scope.spawn(move || {
                for _ in 0..50 {
                    let entries = ids(&read(snapshotter, len)?);
                    ensure!(there.iter().all(|id| entries.contains(id)), "{len} bytes");
                }
                Ok(())
            })
        });
        for thread in reading {
            thread
                .join()
                .map_err(|_| anyhow::anyhow!("it panicked"))??;
        }
        Ok(())
    })
}

fn it_takes_descriptors(_sandbox: &Sandbox) -> Result<()> {
    let loaded = without_descriptors(Snapshotter::load)?;
    ensure_refused!(loaded, Error::Command(_), Some(libc::EMFILE));
    let snapshotter = Snapshotter::load()?;
    let mut buf = [0; 100];
    let read = without_descriptors(|| snapshotter.read(&mut buf).map(Iterator::count))?;
    ensure_refused!(read, Error::Command(_), Some(libc::EMFILE));
    Ok(())
}
