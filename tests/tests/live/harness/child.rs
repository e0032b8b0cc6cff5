//! The process of one test.

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use bpf_link_tests::{Descriptors, Sandbox};
use rustix::process::Signal;

use super::Test;
use super::need::Place;
use super::outcome::Outcome;

/// The variable that makes a process the child of the test that it names.
pub(super) const VARIABLE: &str = "BPF_LINK_TEST";

/// Runs a test, and says what became of it on the standard input.
///
/// That is the writing end of a pipe: the one inherited descriptor that can be set up without
/// unsafe code, and without a moment in which another child could inherit it, too.
pub(super) fn run(name: &str, tests: &[&'static Test]) -> ExitCode {
    let outcome = match find(name, tests).and_then(judge) {
        Ok(outcome) => outcome,
        Err(error) => Outcome::Failed(format!("{error:?}")),
    };
    match rustix::io::write(rustix::stdio::stdin(), outcome.to_line().as_bytes()) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {outcome:?}, but telling so failed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn find(name: &str, tests: &[&'static Test]) -> Result<&'static Test> {
    let found = tests.iter().find(|test| test.name() == name);
    found
        .copied()
        .with_context(|| format!("there is no test {name}"))
}

/// Runs the test in a sandbox, if the sandbox has what it needs.
fn judge(test: &Test) -> Result<Outcome> {
    // A signal that stops the test binary stops its tests.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let sandbox = Sandbox::enter().context("entering the sandbox")?;
    if let Some(missing) = test.missing(Place::Sandbox)? {
        return Ok(Outcome::Skipped(missing));
    }

    let before = Descriptors::now()?;
    match std::panic::catch_unwind(AssertUnwindSafe(|| (test.run)(&sandbox))) {
        Ok(result) => result?,
        // Why is in the output.
        Err(_) => bail!("the test panicked"),
    }
    let changes = Descriptors::now()?.changes_since(&before);
    ensure!(
        changes.is_empty(),
        "the open file descriptors are not what they were: {changes:?}"
    );
    let pinned = sandbox.pinned()?;
    ensure!(pinned.is_empty(), "left pinned: {pinned:?}");
    Ok(Outcome::Passed)
}
