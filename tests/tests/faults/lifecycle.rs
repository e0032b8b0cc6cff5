//! The example `lifecycle`, as it is, with a fault in each of the library's calls.

use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::{Context as _, Result, bail, ensure};
use bpf_link::{AttachType, LinkCreate, RawLink};
use bpf_link_tests::iterator;

use crate::answers::{Answer, LIFECYCLE, LIFECYCLE_FIND};
use crate::at_once::at_once;
use crate::call::{Call, Class};
use crate::injected::{self, Injection, Traced};
use crate::turn;

/// Those that the library makes in it.
pub(crate) const CALLS: [Call; 4] = [Call::Bpf, Call::Renameat2, Call::Unlinkat, Call::Newfstatat];

/// How many calls of the look have faults: those for the first link of the machine, and the one
/// that asks for the next. With every other link they come again.
const CALLS_OF_A_LOOK: usize = 3;

/// Each fault in each of its calls of one sort.
///
/// What it starts to find its link is not traced, so that the number of faults does not depend on
/// the links of other processes.
pub(crate) fn under(call: Call) -> Result<()> {
    let command = Command::new(built()?);
    // It walks all links.
    turn::take(true, || {
        let plain = injected::run_alone(&command, call, None, &log(LIFECYCLE, call, "plain"))?;
        let places = places(call, &plain);
        every_fault(LIFECYCLE, &command, call, &plain, &places)
    })
}

/// Each fault in the look for a link, which is there.
pub(crate) fn under_find() -> Result<()> {
    let program = iterator("bpf_map", *b"element\n")?;
    let link = RawLink::create(&LinkCreate::new(&program, AttachType::TraceIter))?;
    let mut command = Command::new(built()?);
    command.args(["find", &link.id()?.to_string()]);
    turn::take(true, || {
        let plain = injected::run_alone(
            &command,
            Call::Bpf,
            None,
            &log(LIFECYCLE_FIND, Call::Bpf, "plain"),
        )?;
        ensure!(words(&plain).trim() == "true", "not found: {plain:?}");
        let places: Vec<usize> = (1..=CALLS_OF_A_LOOK).collect();
        every_fault(LIFECYCLE_FIND, &command, Call::Bpf, &plain, &places)
    })
}

/// Each fault in each of these calls: it exits, with an error that has the error number,
/// unless the fault is an answer.
fn every_fault(
    name: &str,
    command: &Command,
    call: Call,
    plain: &Traced,
    places: &[usize],
) -> Result<()> {
    ensure!(plain.output.status.success(), "without a fault: {plain:?}");
    ensure!(!places.is_empty(), "it makes no such call");
    let faults: Vec<(usize, &str, i32)> = places
        .iter()
        .flat_map(|place| {
            let errors = call.errors(Class::Plain);
            errors.map(move |(error, errno)| (*place, error, errno))
        })
        .collect();
    let wrong = at_once(&faults, |&(place, error, errno)| {
        let injection = Injection { call, errno, place };
        let log = log(name, call, &format!("{errno}-{place}"));
        let traced = injected::run_alone(command, call, Some(injection), &log)?;
        let judged = judge(name, &traced, plain, errno);
        Ok(judged
            .err()
            .map(|why| format!("{error} in call {place}: {why:#}")))
    })?;
    println!("{} in {name}: {} faults", call.name(), faults.len());
    let wrong: Vec<String> = wrong.into_iter().flatten().collect();
    ensure!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    Ok(())
}

fn log(name: &str, call: Call, which: &str) -> String {
    format!("{}-{}-{which}", name.replace(' ', "-"), call.name())
}

/// Which of the calls are the library's.
fn places(call: Call, plain: &Traced) -> Vec<usize> {
    // The tests' own attributes are the kernel's whole `bpf_attr`; and what the runtime looks at
    // and closes is in no bpffs.
    let whole = format!(", {}) = ", size_of::<bpf_link_sys::bpf_attr>());
    let is_ours = |line: &str| match call {
        Call::Bpf => !line.contains(&whole),
        Call::Newfstatat => line.contains("AT_SYMLINK_NOFOLLOW"),
        _ => true,
    };
    let calls = plain.calls.iter().enumerate();
    calls
        .filter(|(_, (_, line))| is_ours(line))
        .map(|(index, _)| index + 1)
        .collect()
}

/// What it has said, without the numbers, which are others each time.
fn words(traced: &Traced) -> String {
    let words = String::from_utf8_lossy(&traced.output.stdout);
    words.replace(|character: char| character.is_ascii_digit(), "")
}

fn judge(name: &str, traced: &Traced, plain: &Traced, errno: i32) -> Result<()> {
    let output = &traced.output;
    let complaint = String::from_utf8_lossy(&output.stderr);
    let hit = traced.hit();
    let (_, hit) = hit.first_key_value().context("no fault was put in")?;
    match output.status.code() {
        // What looks into a refusal may fail: the refusal is the same.
        Some(0) => ensure!(
            words(traced) == words(plain) || Answer::is_one(name, hit, errno),
            "the error is lost: {hit}: {}",
            words(traced)
        ),
        Some(1) => {
            let number = format!("(os error {errno})");
            ensure!(
                complaint.contains(&number) || Answer::is_one(name, hit, errno),
                "the error number is lost: {hit}: {complaint}"
            );
        }
        code => bail!(
            "ended with {code:?}, signal {:?}: {hit}: {complaint}",
            output.status.signal()
        ),
    }
    Ok(())
}

/// The example, built once.
fn built() -> Result<&'static PathBuf> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    static BUILDING: Mutex<()> = Mutex::new(());
    // It protects nothing that a panic could have broken.
    let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = BUILT.get() {
        return Ok(path);
    }
    let mut cargo = Command::new(env!("CARGO"));
    // With the features that `cargo test --workspace` has built it with, so that there is nothing
    // to do.
    cargo.args(["build", "--quiet", "--locked", "--workspace"]);
    cargo.args(["--example", LIFECYCLE]);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let status = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status()?;
    ensure!(
        status.success(),
        "building the example {LIFECYCLE}: {status}"
    );
    // This is `deps/faults-..`, beside `examples`.
    let this = std::env::current_exe()?;
    let directory = this.ancestors().nth(2).context("no directory")?;
    Ok(BUILT.get_or_init(|| directory.join("examples").join(LIFECYCLE)))
}
