//! `cargo xtask asan`: the tests with `AddressSanitizer`, on the stable toolchain.

use anyhow::{Context as _, Result, ensure};

use crate::sanitizer::Sanitizer;
use crate::{command, progress, workspace};

/// Tests that are not run so: the leak detector cannot stop the threads of a process that strace
/// has, and the guides have cargo build what they run.
const LEFT_OUT: [&str; 2] = ["faults", "guide"];
/// The package that is not run so: these tasks.
const LEFT_OUT_PACKAGE: &str = "xtask";
/// The tests that take a filter, as they are many.
const LIVE: &str = "live";
/// What holds the memory of a process against a measure that the sanitizer exceeds.
const LIVE_LEFT_OUT: [&str; 2] = ["lister::scale::", "soak::"];
/// The variable that says where the lister is, as the tests would have it built without the
/// sanitizer.
const LISTER: (&str, &str) = ("BPF_LINKS", "bpf-links");
/// The same of the examples.
const EXAMPLES: (&str, &str) = ("BPF_LINK_EXAMPLES", "examples");

/// Runs the tests of the libraries, the lister and the examples under `AddressSanitizer`; fails if
/// one accesses memory that is not its own, or leaks some.
///
/// As root, as the live tests want it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only the live tests whose names have this in them, the other tests of the libraries, and not
    /// the lister and the examples
    #[arg(value_name = "FILTER")]
    filter: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let sanitizer = Sanitizer::new("asan");
    let (programs, targets): (&[_], &[_]) = match &args.filter {
        Some(_) => (&[], &[]),
        None => (&[LISTER, EXAMPLES], &["--bins", "--examples"]),
    };
    let built = |name| sanitizer.built("debug").join(name);
    let cargo = |subcommand| {
        let mut cargo = sanitizer.cargo(subcommand, &workspace::root().join("Cargo.toml"));
        cargo.args(["--workspace", "--exclude", LEFT_OUT_PACKAGE]);
        cargo.env("ASAN_OPTIONS", "detect_leaks=1");
        for (variable, name) in programs {
            cargo.env(variable, built(name));
        }
        cargo
    };
    let step = progress::step("asan", "building");
    command::run(cargo("build").arg("--tests").args(targets))?;
    step.next("everything but the live tests");
    let mut others = cargo("test");
    others.args(["--quiet", "--lib"]).args(targets);
    for name in tests()? {
        if name != LIVE && !LEFT_OUT.contains(&name.as_str()) {
            others.args(["--test", &name]);
        }
    }
    drop(step);
    pass(&mut others)?;
    let mut live = cargo("test");
    live.args(["--quiet", "--test", LIVE, "--"]);
    live.args(LIVE_LEFT_OUT.iter().flat_map(|name| ["--skip", name]));
    live.args(&args.filter);
    pass(&mut live)
}

/// Runs it to its end, in sight.
fn pass(cargo: &mut std::process::Command) -> Result<()> {
    let status = cargo.status().context("cannot run cargo")?;
    ensure!(status.success(), "a test failed ({status})");
    Ok(())
}

/// The names of the integration tests that are run so.
fn tests() -> Result<Vec<String>> {
    let packages = workspace::packages(&workspace::root().join("Cargo.toml"))?;
    let targets = packages.iter().filter(|package| {
        package
            .get("name")
            .is_some_and(|name| name != LEFT_OUT_PACKAGE)
    });
    let targets = targets.filter_map(|package| package.get("targets")?.as_array());
    let tests = targets.flatten().filter_map(|target| {
        let is_test = target.pointer("/kind/0")? == "test";
        Some(target.get("name")?.as_str()?.to_owned()).filter(|_| is_test)
    });
    Ok(tests.collect())
}
