//! Takes measures, prints them, and reports them to the process that runs this in a guest.

use std::fs::{File, OpenOptions};
use std::io::Write as _;

use anyhow::{Context as _, Result};
use bpf_link_peers::{Measure, Side};
use criterion::Criterion;
use serde_json::{Value, json};

/// The variable that names the file that the report is appended to, in the form that the live tests
/// have: a line of JSON for each measure, and one at the end.
const REPORT: &str = "BPF_LINK_REPORT";

pub(crate) struct Bench {
    pub(crate) criterion: Criterion,
    report: Option<File>,
    taken: u32,
    absent: u32,
}

impl Bench {
    pub(crate) fn new(criterion: Criterion) -> Result<Self> {
        let report = std::env::var_os(REPORT);
        let report = report.map(|path| OpenOptions::new().append(true).create(true).open(path));
        Ok(Self {
            criterion,
            report: report.transpose().context(REPORT)?,
            taken: 0,
            absent: 0,
        })
    }

    /// Measures, and prints the result. `None` if the filter on the command line leaves it out.
    pub(crate) fn compare(
        &mut self,
        name: &str,
        turn: u64,
        sides: Vec<Side<'_>>,
    ) -> Result<Option<Measure>> {
        let measure = Measure::take(&mut self.criterion, name, turn, sides);
        if let Some(measure) = &measure {
            println!("{measure}");
            self.taken += 1;
            let detail = measure.to_string();
            self.report(&json!({ "test": name, "outcome": "passed", "detail": detail }))?;
        }
        Ok(measure)
    }

    /// Says that this kernel has nothing of the kind, and why.
    pub(crate) fn is_absent(&mut self, name: &str, why: &anyhow::Error) -> Result<()> {
        eprintln!("{name}: not on this machine: {why:#}");
        self.absent += 1;
        let detail = format!("{why:#}");
        self.report(&json!({ "test": name, "outcome": "skipped", "detail": detail }))
    }

    pub(crate) fn end(mut self) -> Result<()> {
        let (passed, skipped) = (self.taken, self.absent);
        self.report(&json!({ "end": true, "passed": passed, "failed": 0, "skipped": skipped }))?;
        self.criterion.final_summary();
        Ok(())
    }

    /// Writes a line, in one piece.
    fn report(&mut self, line: &Value) -> Result<()> {
        match &mut self.report {
            Some(file) => file
                .write_all(format!("{line}\n").as_bytes())
                .context(REPORT),
            None => Ok(()),
        }
    }
}
