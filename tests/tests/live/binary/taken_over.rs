//! Links that are taken over by their places.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use bpf_link_tests::elf::{
    CODE, CODE_ADDRESS, ElfFile, ElfProbe, ElfSymbol, HOT_ADDRESS, SEMAPHORES_ADDRESS,
};
use bpf_link_tests::{Hook, Program, Sandbox, eventually};
use bpf_link_typed::attach::When;
use bpf_link_typed::ensure::{Outcome, Planned, Why};
use bpf_link_typed::{
    Attach as _, Binary, BinaryPlace, Ensured, Error, LinkId, PerfEventAttach, UprobeEvent,
    UprobeMultiAttach, UprobeMultiLink,
};

use super::Made;
use crate::fixture::attaching::{ensure_error, since};
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(uprobe_multi).needs(Need::UPROBE_MULTI),
    test!(uprobe).needs(Need::PERF_EVENT),
    test!(another_counter).needs(Need::UPROBE_MULTI),
    test!(another_counter_of_a_uprobe).needs(Need::PERF_EVENT),
    test!(uprobe_multi_of_a_hidden_file).needs(Need::UPROBE_MULTI),
    test!(uprobe_of_a_hidden_file).needs(Need::PERF_EVENT),
];

const COLD: u64 = CODE + 0x20;

fn file() -> ElfFile {
    let probe = |name: &str, counter| ElfProbe {
        provider: "app".to_owned(),
        name: name.to_owned(),
        address: CODE_ADDRESS + 0x20,
        counter,
        arguments: String::new(),
    };
    ElfFile {
        symbols: vec![
            ElfSymbol::function("cold", CODE_ADDRESS + 0x20),
            ElfSymbol::function("warm", HOT_ADDRESS + 0x40),
        ],
        probes: vec![probe("start", SEMAPHORES_ADDRESS + 4), probe("plain", 0)],
        ..ElfFile::native()
    }
}

/// Why the pinned link was not kept; `None` if it was.
fn why(outcome: &Outcome) -> Result<Option<Why>> {
    match outcome {
        Outcome::AlreadyRunning => Ok(None),
        Outcome::Replaced { why, .. } => Ok(Some(*why)),
        other => bail!("{other:?}"),
    }
}

/// It makes no difference whether the file was given by path or as a binary.
fn uprobe_multi(sandbox: &Sandbox) -> Result<()> {
    let made = Made::new(sandbox, "restart", &file())?;
    let again = Binary::open(&made.path)?;
    let program = Program::passing(Hook::UPROBE_MULTI)?;
    let pin = sandbox.bpffs().join("restart");
    let to = |when, place: BinaryPlace| UprobeMultiAttach::in_binary(&again, when, [place]);
    let by_path = UprobeMultiAttach::to(&made.path, When::Entry, [COLD]);
    let cold = BinaryPlace::from(again.function("cold")?);
    let warm = BinaryPlace::from(again.function("warm")?);
    let plain = again.usdt("app", "plain")?;
    let plain = BinaryPlace::from(plain.first().context("it has a place")?);
    let other = Some(Why::OtherOptions);
    // Each against the one before.
    let runs = [
        ("the same", to(When::Entry, cold), None),
        ("by path", by_path, None),
        ("by probe", to(When::Entry, plain), None),
        ("cookie 0", to(When::Entry, cold.cookie(0)), None),
        ("cookie 7", to(When::Entry, cold.cookie(7)), other),
        ("cookie 7 again", to(When::Entry, cold.cookie(7)), None),
        ("on return", to(When::Return, cold.cookie(7)), other),
        ("on return again", to(When::Return, cold.cookie(7)), None),
        (
            "elsewhere",
            to(When::Return, warm.cookie(7)),
            Some(Why::OtherHook),
        ),
    ];
    let pid = std::process::id();
    let run = |to: UprobeMultiAttach<'_>| to.pid(pid).ensure_pinned(&pin).run(&program);
    let first = run(to(When::Entry, cold))?;
    ensure!(first.outcome == Outcome::Created);
    for (what, to, expected) in runs {
        let expected = if since(6, 8, ())?.is_some() {
            expected
        } else {
            Some(Why::NotReported)
        };
        let done = run(to)?;
        ensure!(
            why(&done.outcome)? == expected,
            "{what}: {:?}",
            done.outcome
        );
    }
    Ok(std::fs::remove_file(&pin)?)
}

/// The kernel does not say whether such a link is for one process only.
fn uprobe(sandbox: &Sandbox) -> Result<()> {
    let made = Made::new(sandbox, "restart", &file())?;
    let again = Binary::open(&made.path)?;
    let program = Program::passing(Hook::KPROBE)?;
    let pin = sandbox.bpffs().join("restart");
    let run = |to: UprobeEvent<'_>, cookie| {
        let to = PerfEventAttach::to(to).cookie(cookie);
        to.ensure_pinned(&pin).keep_unreported().run(&program)
    };
    let to = |name| Ok::<_, anyhow::Error>(UprobeEvent::in_binary(&again, again.function(name)?));
    let first = run(UprobeEvent::in_binary(&made.binary, COLD), 1)?;
    ensure!(first.outcome == Outcome::Created);
    let other = Some(Why::OtherOptions);
    for (what, to, cookie, expected) in [
        ("the same", to("cold")?, 1, None),
        ("by path", UprobeEvent::at(&made.path, COLD), 1, None),
        ("another cookie", to("cold")?, 2, other),
        ("elsewhere", to("warm")?, 2, Some(Why::OtherHook)),
        (
            "on return",
            to("warm")?.on_return(),
            2,
            Some(Why::OtherHook),
        ),
    ] {
        // What was not reported is assumed to be as it is wanted.
        let expected = since(6, 6, expected)?.flatten();
        let done = run(to, cookie)?;
        ensure!(
            why(&done.outcome)? == expected,
            "{what}: {:?}",
            done.outcome
        );
    }
    let to = PerfEventAttach::to(to("warm")?.on_return()).cookie(2);
    let done = to.ensure_pinned(&pin).run(&program)?;
    ensure!(
        why(&done.outcome)? == Some(Why::NotReported),
        "{:?}",
        done.outcome
    );
    Ok(std::fs::remove_file(&pin)?)
}

/// The place of a probe with a reference counter, and the same place without, are told apart. But
/// the kernel takes no second counter for a place while the link with the first is there.
fn another_counter(sandbox: &Sandbox) -> Result<()> {
    let made = Made::new(sandbox, "restart", &file())?;
    let program = Program::passing(Hook::UPROBE_MULTI)?;
    let start = made.binary.usdt("app", "start")?;
    let start = BinaryPlace::from(start.first().context("it has a place")?);
    let bare = BinaryPlace::at(COLD);
    let to = |place| {
        let to = UprobeMultiAttach::in_binary(&made.binary, When::Entry, [place]);
        to.pid(std::process::id())
    };
    for (name, place, other) in [("bare", bare, start), ("start", start, bare)] {
        let pin = sandbox.bpffs().join(name);
        let first = once_free(|| to(place).ensure_pinned(&pin).run(&program))?;
        ensure!(first.outcome == Outcome::Created);
        let planned = to(other).ensure_pinned(&pin).plan(&program)?.planned;
        let expected = since(6, 8, Why::OtherOptions)?.unwrap_or(Why::NotReported);
        ensure!(
            matches!(planned, Planned::Replace { why, .. } if why == expected),
            "{planned:?}"
        );
        let refused = to(other).ensure_pinned(&pin).run(&program);
        let file = made.binary.path().display().to_string();
        ensure_error!(refused, Error::Link(_), Some(libc::EINVAL), &[&file]);
        let pinned = UprobeMultiLink::from_pinned(&pin)?;
        ensure!(pinned.id()? == first.link.id()?);
        std::fs::remove_file(&pin)?;
    }
    Ok(())
}

/// Does it once nothing is at the place any more. Linux 6.16 lets go of removed pins late, and
/// takes no other counter before that.
fn once_free<L>(run: impl Fn() -> bpf_link_typed::Result<Ensured<L>>) -> Result<Ensured<L>> {
    eventually("the place is free", || match run() {
        Err(error) if error.errno() == Some(libc::EINVAL) => Ok(None),
        done => Ok(Some(done?)),
    })
}

/// The same of single probes, whose counter the kernel reports since Linux 6.16.
fn another_counter_of_a_uprobe(sandbox: &Sandbox) -> Result<()> {
    let made = Made::new(sandbox, "restart", &file())?;
    let program = Program::passing(Hook::KPROBE)?;
    let start = made.binary.usdt("app", "start")?;
    let start = BinaryPlace::from(start.first().context("it has a place")?);
    let bare = BinaryPlace::at(COLD);
    let to = |place| PerfEventAttach::to(UprobeEvent::in_binary(&made.binary, place));
    for (name, place, other) in [("bare", bare, start), ("start", start, bare)] {
        let pin = sandbox.bpffs().join(name);
        let again = |place| to(place).ensure_pinned(&pin).keep_unreported();
        let first = once_free(|| again(place).run(&program))?;
        ensure!(first.outcome == Outcome::Created);
        let planned = again(place).plan(&program)?.planned;
        ensure!(matches!(planned, Planned::Keep { .. }), "{planned:?}");
        let planned = again(other).plan(&program)?.planned;
        let why = match planned {
            Planned::Replace { why, .. } => Some(why),
            _ => None,
        };
        ensure!(why == since(6, 16, Why::OtherOptions)?, "{planned:?}");
        std::fs::remove_file(&pin)?;
    }
    Ok(())
}

/// Has the path lead to no file, or to another one.
type Hide = fn(&Sandbox, &Path) -> Result<Covered>;

fn unlinked(_sandbox: &Sandbox, path: &Path) -> Result<Covered> {
    std::fs::remove_file(path)?;
    Ok(Covered(None))
}

fn covered(sandbox: &Sandbox, path: &Path) -> Result<Covered> {
    let other = sandbox.directory().join("other");
    std::fs::write(&other, file().build())?;
    rustix::mount::mount_bind(&other, path)?;
    Ok(Covered(Some(path.to_owned())))
}

/// A path that another file is mounted on, until this is dropped.
struct Covered(Option<PathBuf>);

impl Drop for Covered {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = rustix::mount::unmount(path, rustix::mount::UnmountFlags::DETACH);
        }
    }
}

/// Runs again after the path has stopped leading to the file. With `keep_unreported` the link is
/// kept, without it the link is replaced. It is never mistaken for a link on another file.
fn hidden(
    sandbox: &Sandbox,
    first: impl Fn(&Made, &Path) -> Result<(Outcome, LinkId)>,
    again: impl Fn(&Made, &Path, bool) -> Result<(Outcome, LinkId)>,
) -> Result<()> {
    let pin = sandbox.bpffs().join("hidden");
    for hide in [unlinked as Hide, covered] {
        let made = Made::new(sandbox, "hidden", &file())?;
        let (outcome, id) = first(&made, &pin)?;
        ensure!(outcome == Outcome::Created);
        let _covered = hide(sandbox, &made.path)?;
        let (outcome, kept) = again(&made, &pin, true)?;
        ensure!(why(&outcome)?.is_none() && kept == id, "{outcome:?}");
        let (outcome, other) = again(&made, &pin, false)?;
        ensure!(
            why(&outcome)? == Some(Why::NotReported) && other != id,
            "{outcome:?}"
        );
        std::fs::remove_file(&pin)?;
    }
    Ok(())
}

fn uprobe_multi_of_a_hidden_file(sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::UPROBE_MULTI)?;
    let run = |made: &Made, pin: &Path, keeps: bool| {
        let to = UprobeMultiAttach::in_binary(&made.binary, When::Entry, [COLD]);
        let to = to.pid(std::process::id()).ensure_pinned(pin);
        let to = if keeps { to.keep_unreported() } else { to };
        let done = to.run(&program)?;
        Ok((done.outcome, done.link.id()?))
    };
    hidden(sandbox, |made, pin| run(made, pin, false), run)
}

fn uprobe_of_a_hidden_file(sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::KPROBE)?;
    let run = |to: UprobeEvent<'_>, pin: &Path, keeps: bool| {
        let to = PerfEventAttach::to(to).ensure_pinned(pin);
        let to = if keeps { to.keep_unreported() } else { to };
        let done = to.run(&program)?;
        Ok((done.outcome, done.link.id()?))
    };
    // The kernel reports the path as it was given.
    hidden(
        sandbox,
        |made, pin| run(UprobeEvent::at(&made.path, COLD), pin, false),
        |made, pin, keeps| run(UprobeEvent::in_binary(&made.binary, COLD), pin, keeps),
    )
}
