//! `cargo xtask vm-test`: boots real kernels under QEMU and runs the live tests in them, or, for
//! `cargo xtask bench --kernel`, the benchmarks.
//!
//! Everything is under `target/vm/`: the guest's programs in `build/` and `build-bench/`, those for
//! another architecture below a directory of its name, and for each kernel a directory with its
//! `image/` (which is kept, so that the next run needs no network), its `initramfs.cpio`, and what
//! its last run left: `console.log` with the kernel's log and the tests' output, `results.jsonl`,
//! and `qemu.log`.

mod bpftool;
mod build;
mod fixtures;
mod image;
mod initramfs;
mod job;
mod kernel_log;
mod matrix;
mod modules;
mod platform;
mod qemu;
mod record;
mod report;
mod verdict;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::{lock, progress, workspace};
use bpftool::Bpftool;
use build::Build;
use image::{Image, Source};
use job::{Job, Setting, Subject};
pub(crate) use matrix::Kernel;
use matrix::{KERNELS, Runs};
use platform::Platform;
use record::Counts;
use verdict::Verdict;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Runs on the kernels of this architecture: `x86_64`, `aarch64`, `riscv64` or
    /// `s390x`. Tests for another architecture are built with Debian's Rust
    #[arg(long, value_name = "ARCH", default_value = Platform::own().name(), value_parser = Platform::named)]
    arch: &'static Platform,

    /// Runs on this kernel of the matrix only, such as `6.12`, whatever form it belongs to; may be
    /// given more than once
    #[arg(long = "kernel", value_name = "SERIES")]
    kernels: Vec<String>,

    /// Runs on this kernel image instead of the matrix; every skip is allowed then
    #[arg(long, value_name = "FILE", conflicts_with = "kernels")]
    image: Option<PathBuf>,

    /// Takes the image's modules from this directory, as `/lib/modules/RELEASE`
    #[arg(long, value_name = "DIR", requires = "image")]
    modules: Option<PathBuf>,

    /// Fetches from this mirror of Debian instead of the one that apt is configured with
    #[arg(long, value_name = "URL", conflicts_with = "image")]
    mirror: Option<String>,

    /// Asks for the newest kernel of each series although there is one already
    #[arg(long, conflicts_with = "image")]
    refresh: bool,

    /// Ends a kernel's run after this time, as failed
    #[arg(long, value_name = "SECONDS", default_value = "2700")]
    timeout: u64,

    /// Runs this many kernels at a time, each with a processor and 1.5 GB of memory
    #[arg(long, value_name = "N", default_value = "2")]
    jobs: NonZeroUsize,

    /// Writes what each kernel says of links to tests/fixtures, from the tests called golden, if no
    /// test fails
    #[arg(long)]
    write_fixtures: bool,

    /// Keeps each initramfs, and prints the command that boots it again
    #[arg(long)]
    keep: bool,

    /// What the test binaries get, as the part of a test's name
    #[arg(last = true, value_name = "FILTER")]
    filter: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let platform = args.arch;
    let jobs = jobs(args)?;
    platform.check_emulator()?;
    let target = workspace::target();
    let dir = target.join("vm");
    let _alone = lock::lock(&dir)?;
    let source = Source {
        target: &target,
        mirror: args.mirror.as_deref(),
        refresh: args.refresh,
    };
    let of_platform = if platform.is_own() {
        dir.clone()
    } else {
        dir.join(platform.name())
    };
    let build = Build::new(platform, of_platform.join("build"), &source)?;
    let mut programs = build.tests(workspace::root())?;
    if platform.has_bpftool {
        let bpftool = Bpftool::obtain(&of_platform, platform, &source)?;
        programs.tools.extend(bpftool.into_files());
    }
    let setting = Setting {
        platform,
        programs,
        source,
        limit: Duration::from_secs(args.timeout),
        keep: args.keep,
        fixtures: args
            .write_fixtures
            .then(|| workspace::root().join("tests/fixtures")),
        arguments: &args.filter,
        dir,
    };
    let runs = run_jobs(jobs, args.jobs, &setting)?;

    let mut total = Counts::default();
    for (job, verdict) in &runs {
        println!("{}: {}", label(job, verdict, platform), verdict.counts());
        total += verdict.counts();
    }
    if args.is_whole() {
        let verdicts: Vec<&Verdict> = runs.iter().map(|(_, verdict)| verdict).collect();
        for name in skipped_everywhere(&verdicts) {
            println!("FAILED {name}: skipped on every kernel of the matrix");
            total.failed += 1;
        }
    }
    println!("{total}");
    ensure!(total.failed == 0, "vm-test failed");
    ensure!(total.passed > 0, "vm-test ran no test");
    Ok(())
}

/// Runs the benchmarks, which get these arguments, on kernels of the matrix, one after the other,
/// and prints a line for each measure.
pub(crate) fn bench(kernels: &[&'static Kernel], arguments: &[String]) -> Result<()> {
    let platform = Platform::own();
    platform.check_emulator()?;
    let target = workspace::target();
    let dir = target.join("vm");
    let _alone = lock::lock(&dir)?;
    let source = Source {
        target: &target,
        mirror: None,
        refresh: false,
    };
    let build = Build::new(platform, dir.join("build-bench"), &source)?;
    let setting = Setting {
        platform,
        programs: build.benchmarks(workspace::root())?,
        source,
        limit: Duration::from_secs(3600),
        keep: false,
        fixtures: None,
        arguments,
        dir,
    };
    let jobs = kernels.iter().map(|kernel| Job::of(kernel)).collect();
    let mut total = Counts::default();
    for (job, verdict) in run_jobs(jobs, NonZeroUsize::MIN, &setting)? {
        for measure in &verdict.passed {
            println!("{}: {}", label(&job, &verdict, platform), measure.detail);
        }
        total += verdict.counts();
    }
    ensure!(total.failed == 0, "the benchmarks failed");
    ensure!(total.passed > 0, "nothing was measured");
    Ok(())
}

/// Runs so many jobs at a time, and says of each what its verdict has besides what has passed.
fn run_jobs(
    jobs: Vec<Job>,
    at_a_time: NonZeroUsize,
    setting: &Setting<'_>,
) -> Result<Vec<(Job, Verdict)>> {
    let verdicts: Vec<OnceLock<Verdict>> = jobs.iter().map(|_| OnceLock::new()).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let take = || {
            let index = next.fetch_add(1, Ordering::Relaxed);
            Some((jobs.get(index)?, verdicts.get(index)?))
        };
        while let Some((job, verdict)) = take() {
            let verdict = verdict.get_or_init(|| job.run(setting));
            progress::print(&report::details(
                &label(job, verdict, setting.platform),
                verdict,
            ));
        }
    };
    thread::scope(|scope| {
        for _ in 0..at_a_time.get() {
            scope.spawn(work);
        }
    });
    let done = jobs.into_iter().zip(verdicts);
    done.map(|(job, verdict)| Ok((job, verdict.into_inner().context("a run was lost")?)))
        .collect()
}

impl Args {
    /// Whether every test is to run on every kernel, and on some of them without a skip.
    fn is_whole(&self) -> bool {
        self.arch.is_own()
            && self.image.is_none()
            && self.kernels.is_empty()
            && self.filter.is_empty()
    }
}

/// The tests that none of these runs has run.
fn skipped_everywhere(verdicts: &[&Verdict]) -> BTreeSet<String> {
    let names = |verdict: &&Verdict| -> BTreeSet<String> {
        verdict
            .skipped
            .iter()
            .map(|test| test.name.clone())
            .collect()
    };
    let sets = verdicts.iter().map(names);
    sets.reduce(|everywhere, here| &everywhere & &here)
        .unwrap_or_default()
}

fn jobs(args: &Args) -> Result<Vec<Job>> {
    if let Some(kernel) = args.image.clone() {
        let modules = args.modules.clone();
        return Ok(vec![Job {
            name: "image".to_owned(),
            subject: Subject::Given(Image { kernel, modules }),
        }]);
    }
    let named = args.kernels.iter().map(|name| find(args.arch, name));
    let named = named.collect::<Result<Vec<_>, _>>();
    let named = named.map_err(anyhow::Error::msg)?;
    let is_long = std::env::var_os(job::LONG_FORM).is_some_and(|value| value == "1");
    let jobs: Vec<Job> = wanted(args.arch, &named, is_long).map(Job::of).collect();
    let all: Vec<&str> = of_platform(args.arch).map(|kernel| kernel.name).collect();
    ensure!(
        !jobs.is_empty(),
        "kernels of {} run only if --kernel names them: {}",
        args.arch.name(),
        all.join(", ")
    );
    Ok(jobs)
}

/// The kernels of the platform to run: those that are named, or else those of the form.
fn wanted(
    platform: &Platform,
    named: &[&'static Kernel],
    is_long: bool,
) -> impl Iterator<Item = &'static Kernel> {
    of_platform(platform).filter(move |kernel| {
        if named.is_empty() {
            match kernel.runs {
                Runs::Always => true,
                Runs::InLongForm => is_long,
                Runs::WhenNamed => false,
            }
        } else {
            named.iter().any(|named| named.name == kernel.name)
        }
    })
}

fn of_platform(platform: &Platform) -> impl Iterator<Item = &'static Kernel> {
    KERNELS
        .iter()
        .filter(move |kernel| kernel.platform == platform)
}

/// The kernel of the matrix of this machine's architecture with this name, for a command line.
pub(crate) fn kernel(name: &str) -> Result<&'static Kernel, String> {
    find(Platform::own(), name)
}

fn find(platform: &Platform, name: &str) -> Result<&'static Kernel, String> {
    of_platform(platform)
        .find(|kernel| kernel.name == name)
        .ok_or_else(|| {
            let all: Vec<_> = of_platform(platform).map(|kernel| kernel.name).collect();
            format!("the matrix has {} for {}", all.join(", "), platform.name())
        })
}

/// What a run is called: `linux 6.12.117`, or `linux 6.12.117 on aarch64`.
fn label(job: &Job, verdict: &Verdict, platform: &Platform) -> String {
    let kernel = verdict.kernel.as_deref().unwrap_or(&job.name);
    let place = if platform.is_own() {
        String::new()
    } else {
        format!(" on {}", platform.name())
    };
    format!("linux {kernel}{place}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_between_run_in_the_long_form_or_when_asked_for() {
        let series = |named: &[&'static Kernel], is_long| -> Vec<&str> {
            let wanted = wanted(Platform::own(), named, is_long);
            wanted.map(|kernel| kernel.name).collect()
        };
        assert_eq!(series(&[], false), ["5.10", "6.1", "6.12", "7.3"]);
        assert_eq!(
            series(&[], true),
            ["5.10", "6.1", "6.12", "6.16", "7.2", "7.3"]
        );
        let between = kernel("7.2").expect("it is there");
        assert_eq!(series(&[between], false), ["7.2"]);
        let refused = kernel("6.15").expect_err("it is not there");
        assert!(refused.contains("6.12, 6.16, 7.2"), "{refused}");
    }

    fn verdict(skipped: &[&str]) -> Verdict {
        let test = |name: &&str| verdict::Test {
            name: (*name).to_owned(),
            detail: String::new(),
        };
        Verdict {
            skipped: skipped.iter().map(test).collect(),
            ..Verdict::default()
        }
    }

    #[test]
    fn a_test_that_runs_on_no_kernel_is_found() {
        let (old, new) = (
            verdict(&["a::new", "a::never"]),
            verdict(&["a::old", "a::never"]),
        );
        assert_eq!(
            skipped_everywhere(&[&old, &new]),
            BTreeSet::from(["a::never".to_owned()])
        );
        assert_eq!(
            skipped_everywhere(&[&old, &new, &verdict(&[])]),
            BTreeSet::new()
        );
    }
}
