//! What this library adds to the bare system calls: each measure stands beside the same calls made by hand.
//!
//! The two sides take turns within each sample, so that whatever else the machine does hits both; the ratio is the median over all
//! samples. `cargo xtask bench` runs this and prints the ratios alone.
#![expect(missing_docs, reason = "criterion's macros make functions without")]
#![expect(clippy::cast_precision_loss, reason = "nobody runs 2^52 iterations")]

use std::cell::RefCell;
use std::hint::black_box;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bpf_link::RawLink;
use bpf_link_sys::BPF_TRACE_ITER;
use bpf_link_tests::sys::{self, LinkTarget, bare};
use bpf_link_tests::{Hook, Program, Sandbox, iterator};
use criterion::{Criterion, criterion_group, criterion_main};
use rustix::process::{Resource, getrlimit, setrlimit};

/// How many links a walk goes over.
const LINKS: usize = 5_000;

fn links(criterion: &mut Criterion) {
    let sandbox = Sandbox::enter().expect("benchmarks need root");
    info(criterion).expect("info");
    walk(criterion).expect("walk");
    drop(sandbox);
}

/// The info of a link whose kind has neither a name nor arrays.
fn info(criterion: &mut Criterion) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    let target = LinkTarget::Ifindex(1);
    let fd = sys::link_create(program.as_fd(), target, Hook::XDP.attach_type, 0)?;
    let link = RawLink::try_from(fd)?;
    let ours = || {
        let info = link.info();
        assert!(info.is_ok());
        black_box(&info);
    };
    let bare = || {
        let mut words = [0; 8];
        assert_eq!(bare::info(link.as_fd(), &mut words), 0);
        black_box(&words);
    };
    compare(criterion, "info", 256, ours, bare);
    Ok(())
}

/// A walk of all links of the machine, with the info of each.
fn walk(criterion: &mut Criterion) -> Result<()> {
    let held = many_links()?;
    let ours = || {
        let mut seen = 0;
        for link in bpf_link::links() {
            let info = link.and_then(|link| link.info());
            seen += usize::from(info.is_ok());
            black_box(&info);
        }
        assert!(seen >= LINKS);
    };
    let bare = || {
        let mut words = [0; 8];
        let mut seen = 0;
        let mut last = 0;
        while let Some(id) = bare::next_id(last) {
            last = id;
            seen += usize::from(bare::info_by_id(id, &mut words));
            black_box(&words);
        }
        assert!(seen >= LINKS);
    };
    compare(criterion, &format!("walk of {LINKS}"), 1, ours, bare);
    drop(held);
    Ok(())
}

/// Measures both sides in turns of `turn` iterations, and prints the medians and their ratio.
fn compare(criterion: &mut Criterion, name: &str, turn: u64, ours: impl Fn(), bare: impl Fn()) {
    /// What a measure gives to criterion, which knows of only one side at a time.
    type Side = fn((Duration, Duration)) -> Duration;
    let sides: [(&str, Side); 2] = [("ours", |sample| sample.0), ("bare", |sample| sample.1)];
    let samples = RefCell::new(Vec::new());
    let mut group = criterion.benchmark_group(name);
    for (side, pick) in sides {
        group.bench_function(side, |bencher| {
            bencher.iter_custom(|iterations| {
                let sample = take_turns(iterations, turn, &ours, &bare);
                samples.borrow_mut().push((iterations, sample));
                pick(sample)
            });
        });
    }
    group.finish();
    let samples = samples.into_inner();
    if samples.is_empty() {
        // Left out by a filter.
        return;
    }
    let per_iteration = |pick: Side| {
        median(
            samples
                .iter()
                .map(|&(iterations, sample)| pick(sample).as_secs_f64() * 1e9 / iterations as f64),
        )
    };
    let [(_, ours), (_, bare)] = sides;
    let ratio = median(
        samples
            .iter()
            .map(|(_, (ours, bare))| ours.as_secs_f64() / bare.as_secs_f64()),
    );
    println!(
        "{name}: ours {:.0} ns, bare {:.0} ns, ratio={ratio:.3}",
        per_iteration(ours),
        per_iteration(bare),
    );
}

/// How long each side took for this many iterations. Who goes first changes from turn to turn.
fn take_turns(
    iterations: u64,
    turn: u64,
    ours: &impl Fn(),
    bare: &impl Fn(),
) -> (Duration, Duration) {
    let (mut ours_took, mut bare_took) = (Duration::ZERO, Duration::ZERO);
    let mut done = 0;
    let mut ours_first = true;
    while done < iterations {
        let now = turn.min(iterations - done);
        if ours_first {
            ours_took += time(now, ours);
            bare_took += time(now, bare);
        } else {
            bare_took += time(now, bare);
            ours_took += time(now, ours);
        }
        ours_first = !ours_first;
        done += now;
    }
    (ours_took, bare_took)
}

fn time(iterations: u64, work: &impl Fn()) -> Duration {
    let start = Instant::now();
    for _ in 0..iterations {
        work();
    }
    start.elapsed()
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Links that are cheap to have: iterators that nobody runs.
fn many_links() -> Result<Vec<OwnedFd>> {
    let mut limit = getrlimit(Resource::Nofile);
    let enough = LINKS as u64 + 100;
    ensure!(
        limit.maximum.is_none_or(|maximum| maximum >= enough),
        "too few descriptors allowed"
    );
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).context("allowing more descriptors")?;
    let program = iterator("bpf_map", *b"benchmrk")?;
    (0..LINKS)
        .map(|_| {
            Ok(sys::link_create(
                program.as_fd(),
                LinkTarget::None,
                BPF_TRACE_ITER,
                0,
            )?)
        })
        .collect()
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(5));
    targets = links
}
criterion_main!(benches);
