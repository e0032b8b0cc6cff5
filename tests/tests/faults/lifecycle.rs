//! The example `lifecycle`, as it is, with a fault in each of the library's calls.

use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context as _, Result, bail, ensure};

use crate::call::Call;
use crate::injected::{self, Injection, Traced};
use crate::judge::Answer;
use crate::turn;

/// What it is called where operations are named.
pub(crate) const NAME: &str = "lifecycle";

/// Those that the library makes in it.
pub(crate) const CALLS: [Call; 4] = [Call::Bpf, Call::Renameat2, Call::Unlinkat, Call::Newfstatat];

/// Each fault in each of its calls of one sort: it ends by itself, with an error that has the error number, unless the fault is an answer.
pub(crate) fn under(call: Call) -> Result<()> {
    let command = Command::new(built()?);
    // It walks all links.
    turn::take(true, || {
        let plain = injected::run(&command, call, None, &format!("{NAME}-{}", call.name()))?;
        ensure!(plain.output.status.success(), "without a fault: {plain:?}");
        let places = places(call, &plain);
        ensure!(!places.is_empty(), "it makes no such call");
        let mut wrong = Vec::new();
        let mut faults = 0;
        for place in places {
            for (error, errno) in call.errors() {
                let injection = Injection { call, errno, place };
                let log = format!("{NAME}-{}-{errno}-{place}", call.name());
                let traced = injected::run(&command, call, Some(injection), &log)?;
                faults += 1;
                if let Err(why) = judge(&traced, &plain, errno) {
                    wrong.push(format!("{error} in call {place}: {why:#}"));
                }
            }
        }
        println!("{} in {NAME}: {faults} faults", call.name());
        ensure!(wrong.is_empty(), "\n{}", wrong.join("\n"));
        Ok(())
    })
}

/// Which of the calls are the library's.
fn places(call: Call, plain: &Traced) -> Vec<usize> {
    // The tests' own attributes are the kernel's whole `bpf_attr`; and what the runtime looks at and closes is in no bpffs.
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

fn judge(traced: &Traced, plain: &Traced, errno: i32) -> Result<()> {
    let output = &traced.output;
    let complaint = String::from_utf8_lossy(&output.stderr);
    let hit = traced.hit();
    let (_, hit) = hit.first_key_value().context("no fault was put in")?;
    match output.status.code() {
        // What looks into a refusal may fail: the refusal is the same.
        Some(0) => ensure!(
            words(traced) == words(plain) || Answer::is_one(NAME, hit, errno),
            "the error is lost: {hit}: {}",
            words(traced)
        ),
        Some(1) => {
            let number = format!("(os error {errno})");
            ensure!(
                complaint.contains(&number) || Answer::is_one(NAME, hit, errno),
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
    if let Some(path) = BUILT.get() {
        return Ok(path);
    }
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked", "--package", "bpf-link"]);
    cargo.args(["--example", NAME]);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let status = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status()?;
    ensure!(status.success(), "building the example {NAME}: {status}");
    // This is `deps/faults-..`, beside `examples`.
    let this = std::env::current_exe()?;
    let directory = this.ancestors().nth(2).context("no directory")?;
    Ok(BUILT.get_or_init(|| directory.join("examples").join(NAME)))
}
