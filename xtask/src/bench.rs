//! `cargo xtask bench`: what the library adds to the bare system calls.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::workspace;

/// Measures the library and the bare system calls in one run, and prints a line per measure that ends in the ratio.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only the measures whose names contain this
    filter: Option<String>,
}

/// The results go to standard output, all else that is said meanwhile to standard error.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut bench = Command::new(env!("CARGO"))
        .args([
            "bench",
            "--quiet",
            "--package",
            "bpf-link-tests",
            "--bench",
            "links",
            "--",
        ])
        .args(&args.filter)
        .current_dir(workspace::root())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run cargo bench")?;
    let mut measures = 0;
    for line in BufReader::new(bench.stdout.take().context("no output")?).lines() {
        let line = line?;
        if line.contains(" ratio=") {
            println!("{line}");
            measures += 1;
        } else {
            eprintln!("{line}");
        }
    }
    let status = bench.wait()?;
    ensure!(status.success(), "the benchmarks failed ({status})");
    ensure!(measures > 0, "nothing was measured");
    Ok(())
}
