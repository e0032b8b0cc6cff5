//! The process that the tests are counted in.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use bpf_link_tests::tests_at_a_time;
use libtest_mimic::{Arguments, Completion, Failed, Trial};

use super::Test;
use super::beyond::Beyond;
use super::ended::Ended;
use super::left_over;
use super::need::{Place, missing_privilege};
use super::outcome::Outcome;
use super::report::Report;
use super::strict::Strict;
use super::turn;

/// Runs the tests that the arguments ask for.
pub(super) fn run(tests: &[&'static Test]) -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert_with(tests_at_a_time);
    let settings = Report::from_environment().and_then(|report| {
        let beyond = Beyond::from_environment()?;
        Ok((Arc::new(report), beyond))
    });
    let (report, beyond) = match settings {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("{error:#}");
            return ExitCode::FAILURE;
        }
    };
    let strict = Arc::new(Strict::from_environment(tests));
    let show_output = arguments.nocapture;

    let mut trials: Vec<Trial> = Vec::new();
    let is_wanted = |test: &Test| beyond.as_ref().is_none_or(|beyond| beyond.is_wanted(test));
    for &test in tests.iter().filter(|test| is_wanted(test)) {
        let (report, strict) = (report.clone(), strict.clone());
        trials.push(Trial::ignorable_test(test.name(), move || {
            let (outcome, took) = run_one(test, show_output).unwrap_or_else(|error| {
                let outcome = Outcome::Failed(format!("{error:#}"));
                (outcome, Duration::ZERO)
            });
            let outcome = strict.judge(test, outcome);
            report.add(&test.name(), &outcome, took)?;
            completion(outcome)
        }));
    }
    let everything = arguments.filter.is_none()
        && arguments.skip.is_empty()
        && !arguments.ignored
        && beyond.is_none();
    if strict.is_on() && everything {
        let report = report.clone();
        trials.push(Trial::ignorable_test(Strict::LAST, move || {
            let outcome = strict.judge_the_table();
            report.add(Strict::LAST, &outcome, Duration::ZERO)?;
            completion(outcome)
        }));
    }

    let conclusion = libtest_mimic::run(&arguments, trials);
    match report.end() {
        Ok(()) => conclusion.exit_code(),
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn completion(outcome: Outcome) -> Result<Completion, Failed> {
    match outcome {
        Outcome::Passed => Ok(Completion::Completed),
        Outcome::Failed(why) => Err(why.into()),
        Outcome::Skipped(why) => Ok(Completion::ignored_with(why)),
    }
}

/// Runs a test in a process of its own, if the machine has what it needs. Also says how long it
/// took, without the time that it waited for its turn.
fn run_one(test: &Test, show_output: bool) -> Result<(Outcome, Duration)> {
    if let Some(missing) = missing_privilege()? {
        return Ok((Outcome::Skipped(missing), Duration::ZERO));
    }
    if let Some(missing) = test.missing(Place::Machine)? {
        return Ok((Outcome::Skipped(missing), Duration::ZERO));
    }
    turn::take(test.alone, || {
        let begun = Instant::now();
        let ended = Ended::of(test)?;
        let took = begun.elapsed();
        if show_output {
            eprint!("{}", ended.output);
        }
        let left_over = left_over::of(ended.number)?;
        Ok((ended.outcome().and(left_over), took))
    })
}
