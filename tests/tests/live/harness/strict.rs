//! `BPF_LINK_STRICT=1`: a test that is skipped for want of what the kernel is expected to have has
//! failed; and so has the table of what is absent, where it is not so.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, PoisonError};

use anyhow::Result;

use super::absent::{ABSENT, Absent};
use super::kernel::Kernel;
use super::need::Place;
use super::outcome::Outcome;
use super::{Need, Test};

/// The variable that asks for it.
const VARIABLE: &str = "BPF_LINK_STRICT";

/// The judge of skips.
#[derive(Debug)]
pub(super) struct Strict {
    is_on: bool,
    tests: Vec<&'static Test>,
    seen: Mutex<Seen>,
    changed: Condvar,
}

/// The tests that have run so far.
#[derive(Debug, Default)]
struct Seen {
    ended: usize,
    /// What was missing, in words.
    missing: BTreeSet<String>,
}

impl Strict {
    /// The name of the trial that comes last, and judges the table.
    pub(super) const LAST: &str = "harness::the_table_of_what_is_absent_is_true";

    /// The judge that the environment asks for.
    pub(super) fn from_environment(tests: &[&'static Test]) -> Self {
        Self {
            is_on: std::env::var_os(VARIABLE).is_some_and(|value| value == "1"),
            tests: tests.to_vec(),
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
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.ended += 1;
        self.changed.notify_all();
        let Outcome::Skipped(why) = outcome else {
            return outcome;
        };
        seen.missing.insert(why.clone());
        let need = test.all_needs().find(|need| need.absence() == why);
        match need.map_or(Ok(false), Absent::expects) {
            Ok(false) if self.is_on => {
                Outcome::Failed(format!("skipped, which is not expected here: {why}"))
            }
            Err(error) if self.is_on => Outcome::Failed(format!("{why}\n{error:#}")),
            _ => Outcome::Skipped(why),
        }
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

        match self.wrong_lines(&seen.missing) {
            Ok(wrong) if wrong.is_empty() => Outcome::Passed,
            Ok(wrong) => Outcome::Failed(wrong.join("\n")),
            Err(error) => Outcome::Failed(format!("{error:#}")),
        }
    }

    fn wrong_lines(&self, seen: &BTreeSet<String>) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        for Absent { need, .. } in ABSENT {
            if !self.needed().any(|needed| needed == *need) {
                wrong.push(format!("no test needs {need:?}"));
            }
        }
        for Absent { need, .. } in Absent::of(&Kernel::here()?) {
            let is_missing = match need.place() {
                Place::Machine => need.missing()?.is_some(),
                Place::Sandbox => seen.contains(&need.absence()),
            };
            if !is_missing {
                wrong.push(format!("this kernel does not lack {need:?}"));
            }
        }
        Ok(wrong)
    }

    /// What the tests need, or need the absence of.
    fn needed(&self) -> impl Iterator<Item = Need> {
        let needs = self.tests.iter().flat_map(|test| test.all_needs());
        needs.map(|need| match need {
            Need::Without(need) => *need,
            need => need,
        })
    }
}
