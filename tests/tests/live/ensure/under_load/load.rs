//! Swaps while events flow, and the counters against the events.

use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Result, anyhow, ensure};
use bpf_link::{MapInfo, ProgramInfo};
use bpf_link_tests::{Loader, Sandbox, in_form};
use bpf_link_typed::{
    Link,
    ensure::{Attached, OldLink, Outcome, Why},
};

use super::agent::Place;
use crate::ensure::end::ensure_one_link_and_pin;
use crate::ensure::suite::Way;
use crate::suites::conformance::Counting;

/// How many times an agent is restarted with the other version, in the short form and in the long
/// one.
const SWAPS: [u32; 2] = [50, 1_000];

/// How many times where the kernel takes long to put a program on a function, or off it.
const FEWER_SWAPS: [u32; 2] = [20, 300];

/// After so many of them the sender gets the time for an event. It is odd, so that this comes to
/// both versions.
const SWAPS_TO_AN_EVENT: u32 = 5;

/// How nice the sender is: it gets a tenth of a processor that somebody else wants as well.
const NICENESS: i32 = 10;

/// How many swaps each of two agents makes against the other.
const SWAPS_OF_EACH: [u32; 2] = [25, 250];

/// A version of what an agent attaches.
pub(crate) struct Version {
    pub(crate) counting: Counting,
    pub(crate) id: Attached,
}

impl Version {
    pub(crate) fn program(loader: Loader<'_>) -> Result<Self> {
        let counting = Counting::loaded(loader)?;
        let id = Attached::Program(ProgramInfo::of(&counting)?.id);
        Ok(Self { counting, id })
    }

    pub(crate) fn map(counting: Counting) -> Result<Self> {
        let id = Attached::Map(MapInfo::of(&counting)?.id);
        Ok(Self { counting, id })
    }
}

/// A hook where events flow.
pub(crate) struct Scene<'a> {
    pub(crate) sandbox: &'a Sandbox,
    /// The agent's name, and what it is told of the hook.
    pub(crate) agent: &'a str,
    pub(crate) target: &'a str,
    pub(crate) versions: [Version; 2],
    /// Makes what is attached run, as often each time.
    pub(crate) event: &'a (dyn Fn() -> Result<()> + Sync),
    /// How the other version comes to run.
    pub(crate) way: Way,
}

impl<'a> Scene<'a> {
    pub(crate) fn of_programs(
        sandbox: &'a Sandbox,
        agent: &'a str,
        target: &'a str,
        loader: Loader<'_>,
        event: &'a (dyn Fn() -> Result<()> + Sync),
        way: Way,
    ) -> Result<Self> {
        Ok(Self {
            sandbox,
            agent,
            target,
            versions: [Version::program(loader)?, Version::program(loader)?],
            event,
            way,
        })
    }
}

/// Where the agents pin.
pub(crate) fn pin(sandbox: &Sandbox) -> PathBuf {
    sandbox.bpffs().join("pin")
}

/// Restarts an agent again and again.
pub(crate) fn check(scene: &Scene<'_>) -> Result<()> {
    restart(scene, SWAPS)
}

/// The same, but not so often.
pub(crate) fn check_fewer(scene: &Scene<'_>) -> Result<()> {
    restart(scene, FEWER_SWAPS)
}

/// Restarts an agent so many times in the short form and in the long one, each time with the other
/// version.
///
/// Each time it is a process that ends with that. It holds nothing from before, and knows no more
/// than the hook, the pin and its version.
fn restart(scene: &Scene<'_>, [short, long]: [u32; 2]) -> Result<()> {
    let swaps = in_form(short, long);
    let path = pin(scene.sandbox);
    let place = Place::new(scene.agent, scene.target, &path)?;
    let runs_per_event = create(scene, &place)?;
    let start = Instant::now();
    let events = while_events_flow(scene, |let_events_happen| {
        let [mut old, mut new] = scene.versions.each_ref();
        for number in 1..=swaps {
            let expected = format!("{:?}", expected(scene.way, old.id));
            let found = place.run_in_a_process(new.id)?;
            ensure!(found == expected, "swap {number}: {found}");
            if number % SWAPS_TO_AN_EVENT == 0 {
                let_events_happen();
            }
            std::mem::swap(&mut old, &mut new);
        }
        Ok(())
    })?;
    let elapsed = start.elapsed();
    let counts = judge(scene, runs_per_event, 1 + events)?;
    ensure!(
        counts[0] > runs_per_event && counts[1] > 0,
        "they took no turns: {counts:?}"
    );
    eprintln!(
        "{}: {swaps} swaps in {elapsed:.1?}, {:.2?} each; {events} events, counted {counts:?}",
        scene.agent,
        elapsed / swaps,
    );
    end(scene)
}

/// Has two agents, each a process and each with a version of its own, put that in the place of the
/// other's.
pub(crate) fn check_two_at_once(scene: &Scene<'_>) -> Result<()> {
    let [short, long] = SWAPS_OF_EACH;
    let swaps_of_each = in_form(short, long);
    let path = pin(scene.sandbox);
    let place = Place::new(scene.agent, scene.target, &path)?;
    let runs_per_event = create(scene, &place)?;
    let start = Instant::now();
    let mut runs = Vec::new();
    let events = while_events_flow(scene, |_| {
        let agents = scene.versions.each_ref();
        let agents: Result<Vec<_>> = agents
            .into_iter()
            .map(|version| place.contender(version.id, swaps_of_each))
            .collect();
        let mut agents = agents?;
        for agent in &mut agents {
            agent.tell("go")?;
        }
        for mut agent in agents {
            runs.push(agent.hear()?);
            agent.finish()?;
        }
        Ok(())
    })?;
    let elapsed = start.elapsed();
    let counts = judge(scene, runs_per_event, 1 + events)?;
    let swaps = 2 * swaps_of_each;
    eprintln!(
        "{}: two agents made {swaps} swaps in {elapsed:.1?}, {:.2?} each, with {} calls; {events} events, counted {counts:?}",
        scene.agent,
        elapsed / swaps,
        runs.join(" and "),
    );
    end(scene)
}

/// Has the first version attached, and finds out how often it runs at an event.
fn create(scene: &Scene<'_>, place: &Place<'_>) -> Result<u64> {
    let [first, second] = scene.versions.each_ref();
    let created = place.run(first.counting.as_fd())?;
    ensure!(created == Outcome::Created, "{created:?}");
    (scene.event)()?;
    let runs = first.counting.count()?;
    ensure!(runs > 0 && second.counting.count()? == 0, "it does not run");
    Ok(runs)
}

/// Does the work while a thread makes one event after the other, and gives back their number. The
/// work may let a few happen.
fn while_events_flow(scene: &Scene<'_>, work: impl FnOnce(&dyn Fn()) -> Result<()>) -> Result<u64> {
    let (events, enough) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            // On a machine of one processor the agents get most of it.
            rustix::process::nice(NICENESS)?;
            while !enough.load(Ordering::SeqCst) {
                (scene.event)()?;
                events.fetch_add(1, Ordering::SeqCst);
            }
            anyhow::Ok(())
        });
        let done = work(&|| {
            // The event that is under way may have begun before.
            let before = events.load(Ordering::SeqCst);
            while events.load(Ordering::SeqCst) < before + 2 && !sender.is_finished() {
                std::thread::yield_now();
            }
        });
        enough.store(true, Ordering::SeqCst);
        let sent = sender.join();
        sent.map_err(|_| anyhow!("the sender panicked"))??;
        done
    })?;
    Ok(events.into_inner())
}

/// What each swap does.
fn expected(way: Way, previous: Attached) -> Outcome {
    match way {
        Way::InPlace | Way::OnlyInPlace => Outcome::Updated { previous },
        Way::Overlap | Way::OldFirst => Outcome::Replaced {
            why: Why::NotUpdatable,
            previous: Some(previous),
            gap: way == Way::OldFirst,
            old_link: OldLink::Gone,
        },
    }
}

/// Holds what was counted against the events.
fn judge(scene: &Scene<'_>, runs_per_event: u64, events: u64) -> Result<[u64; 2]> {
    let [first, second] = scene.versions.each_ref();
    let counts = [first.counting.count()?, second.counting.count()?];
    let [by_first, by_second] = counts;
    let missed = [first.counting.missed()?, second.counting.missed()?];
    let (counted, made) = (by_first + by_second, runs_per_event * events);
    let as_it_has_to_be = match scene.way {
        Way::InPlace | Way::OnlyInPlace => counted == made,
        // There are never more than two.
        Way::Overlap => counted + missed.iter().sum::<u64>() >= made && counted <= 2 * made,
        Way::OldFirst => counted <= made,
    };
    ensure!(
        as_it_has_to_be,
        "{events} events of {runs_per_event} runs, and the versions ran {counts:?} times and were missed {missed:?} times"
    );
    Ok(counts)
}

/// One link and one pin are left, and go.
fn end(scene: &Scene<'_>) -> Result<()> {
    let path = pin(scene.sandbox);
    ensure_one_link_and_pin(scene.sandbox, &path)?;
    Link::from_pinned(&path)?.detach_and_unpin()?;
    Ok(())
}
