//! The report for what runs this binary: `BPF_LINK_REPORT=PATH`.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::outcome::Outcome;

/// The variable that names the file, or the device, that the report is appended to.
const VARIABLE: &str = "BPF_LINK_REPORT";

/// A line of JSON for each test, and one at the end.
#[derive(Debug)]
pub(super) struct Report {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: Option<File>,
    passed: u32,
    failed: u32,
    skipped: u32,
}

impl Report {
    /// The report that the environment asks for; one that is written nowhere if it asks for none.
    pub(super) fn from_environment() -> Result<Self> {
        let open = |path: PathBuf| {
            let file = OpenOptions::new().append(true).create(true).open(&path);
            file.with_context(|| format!("opening the report {}", path.display()))
        };
        let path = std::env::var_os(VARIABLE).map(PathBuf::from);
        let file = path.map(open).transpose()?;
        Ok(Self {
            state: Mutex::new(State {
                file,
                passed: 0,
                failed: 0,
                skipped: 0,
            }),
        })
    }

    /// Says what became of a test, and how long it took.
    pub(super) fn add(&self, test: &str, outcome: &Outcome, took: Duration) -> Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Outcome::Passed => state.passed += 1,
            Outcome::Failed(_) => state.failed += 1,
            Outcome::Skipped(_) => state.skipped += 1,
        }
        state.write(&json!({
            "test": test,
            "outcome": outcome.word(),
            "detail": outcome.detail(),
            "seconds": took.as_secs_f32(),
        }))
    }

    /// Says that all tests have run: a report without this line is of a run that broke off.
    pub(super) fn end(&self) -> Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State {
            passed,
            failed,
            skipped,
            ..
        } = *state;
        state.write(&json!({ "end": true, "passed": passed, "failed": failed, "skipped": skipped }))
    }
}

impl State {
    /// Writes a line, in one piece.
    fn write(&mut self, line: &Value) -> Result<()> {
        match &mut self.file {
            Some(file) => file
                .write_all(format!("{line}\n").as_bytes())
                .context("reporting"),
            None => Ok(()),
        }
    }
}
