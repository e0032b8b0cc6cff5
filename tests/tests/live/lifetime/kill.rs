//! Owners that are killed at random moments, in the middle of what they do to their links: what
//! they leave is the state before or the one after, and a pinned link goes on working throughout.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bpf_link::RawLink;
use bpf_link_tests::{CounterMap, Hook, Program, Sandbox, eventually_holds, in_form, links, pins};

use crate::fixture::random::Random;
use crate::fixture::{Counted, runs, xdp};
use crate::harness::{Role, Test, role, test};

pub(crate) const TESTS: &[Test] = &[
    test!(while_updating).minutes(5),
    test!(while_moving_the_pin).minutes(5),
    test!(while_pinning_a_new_link).minutes(5),
];

pub(crate) const ROLES: &[Role] = &[role!(updater), role!(mover), role!(pinner)];

/// How many owners are killed in a test, in the short form and in the long one.
const KILLS: [usize; 2] = [50, 100];
/// How long an owner lives at most, once it has begun: some dozen times as long as what it does
/// over and over.
const LIFE: Duration = Duration::from_millis(2);

/// Starts owners and kills them, and looks at what each has left.
fn kill(owner: &Role, arguments: &[&Path], check: impl Fn() -> Result<()>) -> Result<()> {
    let seed = Random::any_seed()?;
    println!("seed {seed}");
    let mut random = Random::new(seed, 0);
    let arguments: Vec<&str> = arguments
        .iter()
        .map(|path| path.to_str().context("not UTF-8"))
        .collect::<Result<_>>()?;
    let [short, long] = KILLS;
    for number in 0..in_form(short, long) {
        let mut player = owner.start(&arguments)?;
        ensure!(player.hear()? == "begins");
        let life = u64::try_from(random.below(usize::try_from(LIFE.as_nanos())?))?;
        let end = Instant::now() + Duration::from_nanos(life);
        while Instant::now() < end {
            std::hint::spin_loop();
        }
        player.kill()?;
        check().with_context(|| format!("kill {number} with seed {seed}"))?;
    }
    Ok(())
}

/// Does the work while packets are sent, each of which has to be counted.
fn counting<T>(counter: &CounterMap, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut sent = 0_u64;
            while !is_over.load(Ordering::Relaxed) {
                ensure!(runs(counter)?, "packet {sent} was not counted");
                sent += 1;
            }
            Ok(sent)
        });
        let done = work();
        is_over.store(true, Ordering::Relaxed);
        let Ok(sent) = sender.join() else {
            bail!("the sender panicked");
        };
        let sent = sent?;
        println!("{sent} packets, all counted");
        ensure!(sent > 0);
        done
    })
}

/// A link that only its pin holds.
struct Pinned {
    counted: Counted,
    id: u32,
}

impl Pinned {
    fn new(path: &Path) -> Result<Self> {
        let mut counted = Counted::new()?;
        counted.link.pin(path)?;
        let id = counted.link.id()?.get();
        Ok(Self { counted, id })
    }
}

fn while_updating(sandbox: &Sandbox) -> Result<()> {
    let [link, first, second] = ["link", "first", "second"].map(|name| sandbox.bpffs().join(name));
    let Pinned { counted, id } = Pinned::new(&link)?;
    let Counted {
        link: held,
        program,
        counter,
    } = counted;
    drop(held);
    let other = Program::counting(Hook::XDP, &counter)?;
    pins::pin(&program, &first)?;
    pins::pin(&other, &second)?;
    let both = [program.id()?, other.id()?];

    counting(&counter, || {
        kill(&role!(updater), &[&link, &first, &second], || {
            let found = links::LinkInfo::of(&pins::open(&link)?)?;
            ensure!(found.id() == id, "{found:?}");
            ensure!(both.contains(&found.program_id()), "{found:?}");
            Ok(())
        })
    })?;
    for path in [first, second] {
        std::fs::remove_file(path)?;
    }
    RawLink::from_pinned(&link)?.unpin()?;
    Ok(())
}

/// Puts one program and the other on a link, over and over.
fn updater(arguments: &[String]) -> Result<()> {
    let [link, programs @ ..] = arguments else {
        bail!("no link");
    };
    let link = RawLink::from_pinned(link)?;
    let programs: Vec<_> = programs
        .iter()
        .map(|path| pins::open(Path::new(path)))
        .collect::<Result<_>>()?;
    role::say("begins")?;
    loop {
        for program in &programs {
            link.update(program)?;
        }
    }
}

fn while_moving_the_pin(sandbox: &Sandbox) -> Result<()> {
    let paths = ["here", "there"].map(|name| sandbox.bpffs().join(name));
    let [here, there] = &paths;
    let Pinned { counted, id } = Pinned::new(here)?;
    let Counted {
        link: held,
        program: _program,
        counter,
    } = counted;
    drop(held);

    counting(&counter, || {
        kill(&role!(mover), &[here, there], || {
            let pinned = sandbox.pinned()?;
            let [pin] = pinned.as_slice() else {
                bail!("pinned are {pinned:?}");
            };
            ensure!(paths.contains(pin), "{}", pin.display());
            let found = links::LinkInfo::of(&pins::open(pin)?)?;
            ensure!(found.id() == id, "{found:?}");
            Ok(())
        })
    })?;
    let pin = sandbox.pinned()?.pop().context("no pin")?;
    RawLink::from_pinned(pin)?.unpin()?;
    Ok(())
}

/// Moves a pin from one place to the other, over and over.
fn mover(arguments: &[String]) -> Result<()> {
    let paths: Vec<PathBuf> = arguments.iter().map(PathBuf::from).collect();
    let there = paths.iter().find(|path| path.exists());
    let mut link = RawLink::from_pinned(there.context("no pin")?)?;
    role::say("begins")?;
    loop {
        for path in &paths {
            link.pin(path)?;
        }
    }
}

fn while_pinning_a_new_link(sandbox: &Sandbox) -> Result<()> {
    let counter = CounterMap::new()?;
    let program = Program::counting(Hook::XDP, &counter)?;
    let [path, pinned_program] = ["pin", "program"].map(|name| sandbox.bpffs().join(name));
    pins::pin(&program, &pinned_program)?;
    kill(&role!(pinner), &[&path, &pinned_program], || {
        if path.exists() {
            ensure!(runs(&counter)?, "it is pinned and does not run");
            let mut link = RawLink::from_pinned(&path)?;
            link.unpin()?;
            // A pin that was removed holds its link a while longer.
            link.detach()?;
        } else {
            eventually_holds("it is off the hook", || Ok(!runs(&counter)?))?;
        }
        // The hook is free for the next.
        drop(xdp(&program)?);
        Ok(())
    })?;
    std::fs::remove_file(&pinned_program)?;
    Ok(())
}

/// Makes a link, pins it, unpins it, detaches and closes it, over and over.
fn pinner(arguments: &[String]) -> Result<()> {
    let [path, program] = arguments else {
        bail!("no path");
    };
    let program = Program::from(pins::open(Path::new(program))?);
    role::say("begins")?;
    loop {
        let mut link = xdp(&program)?;
        link.pin(path)?;
        link.unpin()?;
        // A pin that was removed holds its link a while longer.
        link.detach()?;
    }
}
