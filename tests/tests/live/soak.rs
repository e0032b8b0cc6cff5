//! Soak: threads that do everything that can be done to links, at random and for as long as is
//! wanted, on all kinds that this kernel has.
//!
//! A model knows what each link has to be: which program or map it has, where it is pinned, whether
//! it is detached. Every answer is held against it, refusals included. In the end descriptors,
//! pins, links and memory are what they were.
//!
//! As a test it takes two seconds. `cargo xtask soak --seconds N` runs the role [`long`] instead,
//! and prints what was done.
//!
//! | file | what |
//! |---|---|
//! | `places.rs` | a place for a link of each kind |
//! | `slot.rs` | a place, its link, and the model of that |
//! | `worker.rs` | a thread with a slot for each kind |
//! | `operation.rs` | what is done, and how often it was |

mod operation;
pub(crate) mod places;
mod slot;
mod worker;

use std::sync::RwLock;
use std::time::{Duration, Instant};

use allocation_counter::measure;
use anyhow::{Context as _, Result, bail, ensure};
use bpf_link_tests::{Descriptors, Sandbox, eventually_holds, links, names, remove_left_over};

use crate::fixture::random::Random;
use crate::harness::{Role, Test, alone, role, test};
use operation::Counts;
use places::Place;
use worker::Worker;

pub(crate) const TESTS: &[Test] = &[test!(for_two_seconds).alone()];

pub(crate) const ROLES: &[Role] = &[role!(long)];

/// What memory may differ by that the process has from the kernel: the allocator keeps some of what
/// was given back.
const SLACK: u64 = 4 << 20;

fn for_two_seconds(sandbox: &Sandbox) -> Result<()> {
    let seed = Random::any_seed()?;
    println!("{}", soak(sandbox, Duration::from_secs(2), seed, 2)?);
    Ok(())
}

/// As long as the first argument says, in seconds, from the seed that is the second, if there is
/// one.
fn long(arguments: &[String]) -> Result<()> {
    let seconds = arguments
        .first()
        .context("for how many seconds?")?
        .parse()?;
    let seed = match arguments.get(1) {
        Some(seed) => seed.parse()?,
        None => Random::any_seed()?,
    };
    let threads = std::thread::available_parallelism()?.get().max(2);
    println!("soak: seed {seed}, {threads} threads, {seconds} seconds");
    alone(|| {
        let sandbox = Sandbox::enter().context("entering the sandbox")?;
        let told = soak(&sandbox, Duration::from_secs(seconds), seed, threads);
        println!("{}", told.with_context(|| format!("with seed {seed}"))?);
        let cgroups = remove_left_over(names::prefix())?;
        ensure!(cgroups.is_empty(), "left on the machine: {cgroups:?}");
        Ok(())
    })
}

/// Does it, and says what was done.
fn soak(sandbox: &Sandbox, time: Duration, seed: u64, threads: usize) -> Result<String> {
    // What is made once in a process is made by now.
    places::prepare(sandbox)?;
    let (descriptors, memory) = (Descriptors::now()?, resident_memory()?);
    let ours = || links::programs_named(names::prefix());
    ensure!(ours()?.is_empty(), "programs before there were any");

    let mut missing = Vec::new();
    let places: Vec<Vec<Place>> = (0..threads)
        .map(|thread| places::all(sandbox, thread, &mut missing))
        .collect::<Result<_>>()?;
    let kinds = places.first().map_or(0, Vec::len);
    let gate = RwLock::new(());
    let start = Instant::now();
    let worked = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..)
            .zip(&places)
            .map(|(number, places)| {
                let (gate, bpffs) = (&gate, sandbox.bpffs());
                scope.spawn(move || {
                    let mut done = Ok(Counts::default());
                    // What the thread takes from the heap it gives back.
                    let counted = measure(|| {
                        let worker = Worker::new(bpffs, gate, places, seed, number);
                        done = worker.work(start + time);
                    });
                    done.map(|counts| (counts, counted.bytes_current))
                })
            })
            .collect();
        threads
            .into_iter()
            .map(std::thread::ScopedJoinHandle::join)
            .collect::<Vec<_>>()
    });
    let took = start.elapsed();
    let mut counts = Counts::default();
    let mut heap = 0;
    for worked in worked {
        let Ok(worked) = worked else {
            bail!("a thread panicked");
        };
        let (own, bytes) = worked?;
        counts.add(&own);
        heap += bytes;
    }
    drop(places);

    eventually_holds("the programs have gone", || Ok(ours()?.is_empty()))?;
    let changes = Descriptors::now()?.changes_since(&descriptors);
    ensure!(changes.is_empty(), "descriptors: {changes:?}");
    let pinned = sandbox.pinned()?;
    ensure!(pinned.is_empty(), "left pinned: {pinned:?}");
    ensure!(heap == 0, "{heap} bytes of the heap were not given back");
    let grown = resident_memory()?.saturating_sub(memory);
    ensure!(grown <= SLACK, "the process has grown by {grown} bytes");

    let never = counts.never();
    ensure!(never.is_empty(), "never done: {never:?}");
    let rate = u128::from(counts.total()) * 1000 / took.as_millis().max(1);
    missing.sort();
    missing.dedup();
    Ok(format!(
        "{counts}\n{kinds} kinds of links; {}\nleft behind: 0 descriptors, 0 pins, 0 links, 0 bytes of the heap; {} KiB more resident\n\
         soak: {} operations in {:.1} s, {rate} per second",
        if missing.is_empty() {
            "none missing".to_owned()
        } else {
            missing.join("; ")
        },
        grown >> 10,
        counts.total(),
        took.as_secs_f64(),
    ))
}

/// The anonymous memory of this process, in bytes. Mapped files do not count, as code is read in
/// when it is first called.
fn resident_memory() -> Result<u64> {
    const FILE: &str = "/proc/self/statm";
    let text = std::fs::read_to_string(FILE).context(FILE)?;
    let field = |index| -> Result<u64> { Ok(text.split(' ').nth(index).context(FILE)?.parse()?) };
    let (resident, shared) = (field(1)?, field(2)?);
    Ok((resident - shared) * u64::try_from(rustix::param::page_size())?)
}
