//! `cargo xtask bench`: what the library costs beside the bare system calls and the libraries that
//! do the same.

mod build;

use std::io::{BufRead as _, BufReader, Write as _};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::{command, vm_test, workspace};

/// Measures the library, the bare system calls, aya and libbpf-rs in one run, and prints a line per
/// measure that ends in the ratio to the bare calls.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only the measures whose names contain this
    #[arg(conflicts_with = "build")]
    filter: Option<String>,
    /// Measures how long a clean release build takes instead
    #[arg(long)]
    build: bool,
    /// How often each is built
    #[arg(long, value_name = "N", default_value = "3", requires = "build")]
    rounds: NonZeroUsize,
    /// Where to draw how the cost of a walk grows with the number of links [default: walk.svg in
    /// the target directory]
    #[arg(long, value_name = "FILE", conflicts_with = "build")]
    chart: Option<PathBuf>,
    /// How long each measure is taken for, after a quarter of that to warm up
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "4",
        conflicts_with = "build"
    )]
    seconds: f64,
    /// Measures on this kernel of the matrix, under emulation and without libbpf-rs, as `7.3`; may
    /// be given more than once
    #[arg(long = "kernel", value_name = "SERIES", value_parser = vm_test::kernel, conflicts_with_all = ["build", "chart"])]
    kernels: Vec<&'static vm_test::Kernel>,
}

impl Args {
    /// What the benchmarks get.
    fn of_criterion(&self) -> Vec<String> {
        let mut arguments = vec![
            format!("--measurement-time={}", self.seconds),
            format!("--warm-up-time={}", self.seconds / 4.0),
        ];
        if self.seconds < 1.0 {
            // Criterion's 100,000 take longer than so short a measure.
            arguments.push("--nresamples=1000".to_owned());
        }
        arguments.extend(self.filter.clone());
        arguments
    }
}

/// The results go to standard output, all else that is said meanwhile to standard error.
pub(crate) fn run(args: &Args) -> Result<()> {
    print!("{}", machine()?);
    if !args.kernels.is_empty() {
        // Which cargo adds anyway.
        let arguments = [vec!["--bench".to_owned()], args.of_criterion()].concat();
        return vm_test::bench(&args.kernels, &arguments);
    }
    let with_libbpf = has_what_libbpf_needs()?;
    if !with_libbpf {
        eprintln!(
            "libbpf-rs is left out: it needs a C compiler, make and the headers of libelf and zlib (Debian: build-essential libelf-dev zlib1g-dev)"
        );
    }
    if args.build {
        return build::run(args.rounds, with_libbpf);
    }
    let chart = match &args.chart {
        Some(file) => std::path::absolute(file)?,
        None => workspace::target().join("walk.svg"),
    };
    let mut bench = Command::new(env!("CARGO"));
    bench
        .args(["bench", "--quiet", "--locked", "--bench", "peers"])
        .arg("--manifest-path")
        .arg(workspace::root().join("tests/peers/Cargo.toml"))
        .arg("--target-dir")
        .arg(workspace::target().join("peers"));
    if !with_libbpf {
        bench.arg("--no-default-features");
    }
    bench.arg("--").args(args.of_criterion());
    // Without the walks there is nothing to draw.
    if args.filter.is_none() {
        bench.env("BPF_LINK_CHART", &chart);
    }
    let mut bench = bench
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run cargo bench")?;
    let mut measures = 0;
    for line in BufReader::new(bench.stdout.take().context("no output")?).lines() {
        let line = line?;
        let is_measure = line.contains(": ours ");
        if is_measure || line.starts_with("growth: ") {
            println!("{line}");
            measures += usize::from(is_measure);
        } else {
            eprintln!("{line}");
        }
    }
    let status = bench.wait()?;
    ensure!(status.success(), "the benchmarks failed ({status})");
    ensure!(measures > 0, "nothing was measured");
    if args.filter.is_none() {
        eprintln!("{} shows how the cost of a walk grows", chart.display());
    }
    Ok(())
}

/// What all of it is measured on.
fn machine() -> Result<String> {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").context("/proc/cpuinfo")?;
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("an unknown processor", |(_, model)| model);
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").context("osrelease")?;
    let count = std::thread::available_parallelism()?;
    let rustc = command::run(command::new("rustc").arg("--version"))?;
    Ok(format!(
        "machine: {count} x {model}, Linux {}, {}\n",
        release.trim(),
        rustc.trim()
    ))
}

fn has_what_libbpf_needs() -> Result<bool> {
    if command::new("make").arg("--version").output().is_err() {
        return Ok(false);
    }
    let compiler = command::new("cc")
        .args(["-x", "c", "-fsyntax-only", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut compiler) = compiler else {
        return Ok(false);
    };
    let mut source = compiler.stdin.take().context("no input")?;
    source.write_all(b"#include <libelf.h>\n#include <gelf.h>\n#include <zlib.h>\n")?;
    drop(source);
    Ok(compiler.wait()?.success())
}
