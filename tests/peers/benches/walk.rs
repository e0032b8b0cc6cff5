//! Walks of all links of the machine.

use std::hint::black_box;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use bpf_link::{AttachType, LinkCreate, RawLink, Snapshotter};
use bpf_link_peers::{Growth, Side};
use bpf_link_sys::BPF_TRACE_ITER;
use bpf_link_tests::sys::bare::{self, NamedLink};
use bpf_link_tests::sys::{IdSpace, LinkTarget, fd_by_id, link_create};
use bpf_link_tests::{Program, Sandbox, in_form, iterator};
use bpf_link_typed::InfoBuf;
use bpf_link_typed::inspect::Inventory;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::bench::Bench;

/// How many links there are, at least: these are ours, and the machine may have others.
const LENGTHS: [usize; 5] = [10, 1_000, 2_500, 5_000, 10_000];

/// The number of links for which the walk with names is measured.
const NAMED: usize = 1_000;

/// The numbers of links for which a snapshot is measured beside the walks.
const SNAPSHOTS: [usize; 2] = [1_000, 5_000];

/// One more of these, in the long form. Few machines have as many links, but the cost of a snapshot
/// must not grow faster than their number.
const LARGE: usize = 50_000;

/// The number of links in the inventory, and how many of them are replaced before each refresh.
const INVENTORY: usize = 10_000;
const CHANGED: usize = 10;

/// Where to draw the chart, if anywhere.
const CHART: &str = "BPF_LINK_CHART";

pub(crate) fn measure(bench: &mut Bench, sandbox: &Sandbox) -> Result<()> {
    // A walk takes milliseconds.
    bench.criterion = std::mem::take(&mut bench.criterion).sample_size(30);
    let program = iterator("bpf_map", *b"benchmrk")?;
    let mut held = Vec::new();
    let mut growth = Growth::default();
    for links in LENGTHS {
        hold(&mut held, links, &program)?;
        let name = format!("walk of {links}");
        if let Some(measure) = bench.compare(&name, 1, without_names(links))? {
            growth.add(links, &measure);
        }
        if SNAPSHOTS.contains(&links) {
            snapshots(bench, links)?;
        }
        if links == NAMED {
            with_names(bench, links)?;
        }
        if links == INVENTORY {
            inventory(bench, links, &program)?;
        }
    }
    if in_form(false, true) {
        for number in held.len()..LARGE {
            pin(&sandbox.bpffs().join(number.to_string()), &program)?;
        }
        snapshots(bench, LARGE)?;
    }
    if let Some(growth) = growth.of_the_cost_per_link() {
        println!("growth: a link of 10000 costs {growth:.3} times one of 5000");
    }
    if let Some(path) = std::env::var_os(CHART).map(PathBuf::from) {
        growth.draw(&path)?;
    }
    Ok(())
}

/// Ours and the bare calls ask for the info once, without names. aya does the same; libbpf-rs asks
/// for names, too, and cannot do without.
fn without_names(links: usize) -> Vec<Side<'static>> {
    vec![
        Side::ours(move || {
            let mut seen = 0;
            for link in bpf_link::links() {
                let info = link.and_then(|link| link.info());
                seen += usize::from(info.is_ok());
                black_box(&info);
            }
            assert!(seen >= links);
        }),
        Side::bare(move || {
            let mut words = [0; 8];
            let mut seen = 0;
            let mut last = 0;
            while let Some(id) = bare::next_id(last) {
                last = id;
                seen += usize::from(bare::info_by_id(id, &mut words));
                black_box(&words);
            }
            assert!(seen >= links);
        }),
        Side::aya(move || assert!(walk_of_aya() >= links)),
        #[cfg(feature = "libbpf-rs")]
        Side::libbpf(move || assert!(walk_of_libbpf() >= links)),
    ]
}

/// A snapshot has ids, kinds, programs, and most of the fields of each kind. The others walk, as
/// they do above; the first of a process has to load its program.
fn snapshots(bench: &mut Bench, links: usize) -> Result<()> {
    let snapshotter = Snapshotter::load()?;
    let take = move |snapshotter: &Snapshotter, buf: &mut [u8]| {
        let entries = snapshotter.read(buf).expect("a snapshot");
        let seen = entries.filter(|entry| black_box(entry).is_ok()).count();
        assert!(seen >= links);
    };
    let mut buf = vec![0; Snapshotter::BUFFER];
    let ours = Side::ours(|| take(&snapshotter, &mut buf));
    bench.compare(
        &format!("snapshot of {links}"),
        1,
        beside_walks(ours, links),
    )?;
    let mut buf = vec![0; Snapshotter::BUFFER];
    let first = || take(&Snapshotter::load().expect("a snapshotter"), &mut buf);
    let name = format!("first snapshot of {links}");
    bench.compare(&name, 1, beside_walks(Side::ours(first), links))?;
    Ok(())
}

/// Refreshes an inventory after some links were replaced. The other sides walk.
fn inventory(bench: &mut Bench, links: usize, program: &Program) -> Result<()> {
    let mut inventory = Inventory::load()?;
    inventory.refresh()?;
    let changing = || {
        let mut held = Vec::new();
        move || {
            held.clear();
            hold(&mut held, CHANGED, program).expect("links");
        }
    };
    let ours = Side::ours(move || {
        let changes = inventory.refresh().expect("the links");
        assert!(changes.came.len() >= CHANGED && inventory.len() >= links);
    });
    let sides = beside_walks(ours, links).into_iter();
    let sides = sides.map(|side| side.after(changing())).collect();
    bench.compare(&format!("inventory of {links}"), 1, sides)?;
    Ok(())
}

fn beside_walks(ours: Side<'_>, links: usize) -> Vec<Side<'_>> {
    let mut sides = without_names(links);
    sides.remove(0);
    sides.insert(0, ours);
    sides
}

/// The walk in which every field of every link is read: two infos for each link.
fn with_names(bench: &mut Bench, links: usize) -> Result<()> {
    let mut buf = InfoBuf::new();
    let sides = vec![
        Side::ours(move || {
            let mut seen = 0;
            for link in bpf_link::links() {
                let Ok(link) = link else { continue };
                let info = buf.read(&link);
                seen += usize::from(info.is_ok());
                black_box(&info);
            }
            assert!(seen >= links);
        }),
        Side::bare(move || {
            let mut words = [0; 8];
            let mut name = [0; 4096];
            let mut seen = 0;
            let mut last = 0;
            while let Some(id) = bare::next_id(last) {
                last = id;
                let Ok(link) = fd_by_id(IdSpace::Link, id) else {
                    continue;
                };
                let named = NamedLink::new(link.as_fd());
                seen += usize::from(match &named {
                    Ok(Some(link)) => link.info(&mut words, &mut name).is_some(),
                    Ok(None) => true,
                    Err(_) => false,
                });
                black_box((&words, &name));
            }
            assert!(seen >= links);
        }),
        #[cfg(feature = "libbpf-rs")]
        Side::libbpf(move || assert!(walk_of_libbpf() >= links)),
    ];
    bench.compare(&format!("walk of {links} with names"), 1, sides)?;
    Ok(())
}

fn walk_of_aya() -> usize {
    let infos = aya::programs::loaded_links();
    infos.filter(|info| black_box(info).is_ok()).count()
}

#[cfg(feature = "libbpf-rs")]
fn walk_of_libbpf() -> usize {
    let infos = libbpf_rs::query::LinkInfoIter::default();
    infos
        .map(|info| black_box(&info).id)
        .filter(|id| *id != 0)
        .count()
}

/// Makes a link like those that [`hold`] makes, and pins it: a process may not have a descriptor
/// for each of so many links.
fn pin(path: &Path, program: &Program) -> Result<()> {
    RawLink::create(&LinkCreate::new(program, AttachType::TraceIter))?.pin(path)?;
    Ok(())
}

/// Makes links until there are so many. These are cheap to have: iterators that nobody runs.
fn hold(held: &mut Vec<OwnedFd>, links: usize, program: &Program) -> Result<()> {
    let enough = Some(links as u64 + 100);
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some() && limit.current < enough {
        let limit = Rlimit {
            current: enough,
            maximum: limit.maximum.and(limit.maximum.max(enough)),
        };
        setrlimit(Resource::Nofile, limit).context("allowing more descriptors")?;
    }
    while held.len() < links {
        let target = LinkTarget::None;
        held.push(link_create(program.as_fd(), target, BPF_TRACE_ITER, 0)?);
    }
    Ok(())
}
