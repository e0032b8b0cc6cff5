//! `cargo xtask fuzz`: every fuzz target for some seconds, with `AddressSanitizer`, on the stable
//! toolchain.

mod seeds;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context as _, Result, bail, ensure};

use crate::sanitizer::Sanitizer;
use crate::{command, progress, workspace};

/// What libFuzzer counts.
const FLAGS: &[&str] = &[
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
];

/// Feeds every target of `tests/fuzz` with inputs that reach new code; fails where one panics or
/// touches memory that is not its own.
///
/// Needs a C++ compiler. Inputs are kept in `target/fuzz/corpus`, and what fails in
/// `target/fuzz/artifacts`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How long each target runs
    #[arg(long, default_value_t = 60, value_name = "N")]
    seconds: u32,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let step = progress::step("fuzz", "building the targets");
    let built = build()?;
    drop(step);
    let targets = targets()?;
    ensure!(!targets.is_empty(), "there is no target");
    // As many at a time as there are processors.
    let at_a_time = thread::available_parallelism()?.get();
    for together in targets.chunks(at_a_time) {
        let said: Vec<Result<String>> = thread::scope(|scope| {
            let running: Vec<_> = together
                .iter()
                .map(|target| scope.spawn(|| feed(&built, target, args.seconds)))
                .collect();
            let said = running.into_iter().map(|one| match one.join() {
                Ok(said) => said,
                Err(_) => bail!("it panicked"),
            });
            said.collect()
        });
        for said in said {
            println!("{}", said?);
        }
    }
    Ok(())
}

/// Feeds one target, and gives back what it did, in words.
fn feed(built: &Path, target: &str, seconds: u32) -> Result<String> {
    let corpus = directory("corpus", target)?;
    let seeds = directory("seeds", target)?;
    let longest = seeds::write(target, &seeds)?;
    let step = progress::step("fuzz", &format!("{target}, {seconds} seconds"));
    let artifacts = directory("artifacts", target)?;
    let output = Command::new(built.join(target))
        .args([&corpus, &seeds])
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        // Room for more than any of the seeds has.
        .arg(format!("-max_len={}", 2 * longest))
        .args(["-print_final_stats=1", "-timeout=10"])
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {target}"))?;
    drop(step);
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{target} failed ({})\n{}",
        output.status,
        said.trim()
    );
    let summary = summary(&said).context("it does not say what it did")?;
    Ok(format!("{target}: {summary}"))
}

/// `4128312 executions, 1032 edges, no failure`
fn summary(said: &str) -> Option<String> {
    let executions = said
        .lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))?;
    let executions: u64 = executions.trim().parse().ok()?;
    // `#1234 DONE   cov: 789 ft: 1011 ...`
    let done = said.lines().rfind(|line| line.contains(" cov: "))?;
    let edges = done.split(" cov: ").nth(1)?.split(' ').next()?;
    Some(format!(
        "{executions} executions, {edges} edges reached, no failure"
    ))
}

/// The directory of the programs.
fn build() -> Result<PathBuf> {
    let sanitizer = Sanitizer::new("fuzz").flags(FLAGS);
    let manifest = workspace::root().join("tests/fuzz/Cargo.toml");
    let mut cargo = sanitizer.cargo("build", &manifest);
    command::run(cargo.args(["--release", "--bins"])).context("the targets cannot be built")?;
    Ok(sanitizer.built("release"))
}

/// The names of the targets, a file for each.
fn targets() -> Result<Vec<String>> {
    let dir = workspace::root().join("tests/fuzz/fuzz_targets");
    let mut targets = vec![];
    for entry in fs::read_dir(&dir).with_context(|| dir.display().to_string())? {
        let path = entry?.path();
        if let Some(name) = path.file_stem().and_then(|name| name.to_str()) {
            targets.push(name.to_owned());
        }
    }
    targets.sort();
    Ok(targets)
}

fn directory(of: &str, target: &str) -> Result<PathBuf> {
    let dir = workspace::target().join("fuzz").join(of).join(target);
    fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
    Ok(dir)
}

#[cfg(test)]
mod tests {
    use super::summary;

    #[test]
    fn what_libfuzzer_says() {
        let said = "INFO: Seed: 1\n#2\tINITED cov: 10 ft: 11\n#500\tDONE   cov: 123 ft: 456 corp: 7/89b\n\
            stat::number_of_executed_units: 500\nstat::average_exec_per_sec: 100\n";
        let expected = "500 executions, 123 edges reached, no failure";
        assert_eq!(summary(said).as_deref(), Some(expected));
        assert_eq!(summary("nothing"), None);
    }
}
