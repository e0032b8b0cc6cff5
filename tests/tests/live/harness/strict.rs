//! `BPF_LINK_STRICT=1`: a test that is skipped, and of which the table of expected skips does not say so, has failed; and so has the table
//! where it expects a skip that did not come.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex, PoisonError};

use super::expected_skips::EXPECTED_SKIPS;
use super::kernel;
use super::outcome::Outcome;
use super::{Need, Test};

/// The variable that asks for it.
const VARIABLE: &str = "BPF_LINK_STRICT";

/// The judge of skips.
#[derive(Debug)]
pub(super) struct Strict {
    is_on: bool,
    /// What the table says of this kernel: the tests, and why they are skipped.
    expected: BTreeMap<&'static str, &'static str>,
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
                .filter(|skips| skips.kernels.iter().any(|series| kernel::is_of(series)))
                .flat_map(|skips| skips.tests.iter().map(|test| (*test, skips.reason)))
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
        let is_expected = self.expected.contains_key(name.as_str()) || misses_a_sound_kernel(test);
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
        for (test, reason) in &self.expected {
            if !self.tests.iter().any(|name| name == test) {
                wrong.push(format!("there is no test {test} (to be skipped: {reason})"));
            } else if !seen.skipped.contains(*test) {
                wrong.push(format!("{test} ran (to be skipped: {reason})"));
            }
        }
        if wrong.is_empty() {
            Outcome::Passed
        } else {
            Outcome::Failed(wrong.join("\n"))
        }
    }
}

/// Whether the test is skipped because of what happened to this kernel before.
fn misses_a_sound_kernel(test: &Test) -> bool {
    test.needs_this(Need::NoOops) && !matches!(Need::NoOops.missing(), Ok(None))
}
