//! `BPF_LINK_STRICT=1`: a test that is skipped, and of which the table of expected skips does not say so, has failed; and so has the table
//! where it expects a skip that did not come.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, PoisonError};

use super::Test;
use super::expected_skips::{EXPECTED_SKIPS, ExpectedSkip};
use super::kernel;
use super::outcome::Outcome;

/// The variable that asks for it.
const VARIABLE: &str = "BPF_LINK_STRICT";

/// The judge of skips.
#[derive(Debug)]
pub(super) struct Strict {
    is_on: bool,
    /// The lines of the table for this kernel.
    expected: Vec<&'static ExpectedSkip>,
    tests: Vec<String>,
    seen: Mutex<Seen>,
    changed: Condvar,
}

/// The tests that have run so far.
#[derive(Debug, Default)]
struct Seen {
    ended: usize,
    skipped: BTreeSet<String>,
}

impl Strict {
    /// The name of the trial that comes last, and judges the table.
    pub(super) const LAST: &str = "harness::every_expected_skip_came";

    /// The judge that the environment asks for.
    pub(super) fn from_environment(tests: &[&'static Test]) -> Self {
        Self {
            is_on: std::env::var_os(VARIABLE).is_some_and(|value| value == "1"),
            expected: EXPECTED_SKIPS
                .iter()
                .filter(|skip| kernel::is_of(skip.kernel))
                .collect(),
            tests: tests.iter().map(|test| test.name()).collect(),
            seen: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Whether skips are judged at all.
    pub(super) fn is_on(&self) -> bool {
        self.is_on
    }

    /// What the outcome of a test is in the judge's eyes.
    pub(super) fn judge(&self, test: &Test, outcome: Outcome) -> Outcome {
        let name = test.name();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.ended += 1;
        self.changed.notify_all();
        let Outcome::Skipped(why) = outcome else {
            return outcome;
        };
        let is_expected = self.expected.iter().any(|skip| skip.is_about(&name));
        seen.skipped.insert(name);
        if self.is_on && !is_expected {
            return Outcome::Failed(format!("skipped, which is not expected here: {why}"));
        }
        Outcome::Skipped(why)
    }

    /// Judges the table, once all tests have ended.
    ///
    /// This is the last trial, so that all others have been started when it waits for their end.
    pub(super) fn judge_the_table(&self) -> Outcome {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = self
            .changed
            .wait_while(seen, |seen| seen.ended < self.tests.len())
            .unwrap_or_else(PoisonError::into_inner);

        let mut wrong = Vec::new();
        for skip in &self.expected {
            let about: Vec<&String> = self
                .tests
                .iter()
                .filter(|name| skip.is_about(name))
                .collect();
            if about.is_empty() {
                wrong.push(format!("{skip}: there is no such test"));
            }
            for name in about
                .into_iter()
                .filter(|name| !seen.skipped.contains(*name))
            {
                wrong.push(format!("{skip}: {name} ran"));
            }
        }
        if wrong.is_empty() {
            Outcome::Passed
        } else {
            Outcome::Failed(wrong.join("\n"))
        }
    }
}
