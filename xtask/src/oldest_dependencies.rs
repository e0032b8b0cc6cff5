//! `cargo xtask oldest-dependencies`: the published crates with the oldest versions of what they
//! depend on that their manifests allow.

use std::ffi::OsStr;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::{command, progress, published, workspace};

const NAME: &str = "oldest-dependencies";

/// Builds the published crates with the oldest versions that their manifests allow, and runs their
/// unit tests.
///
/// Cargo looks for those on nightly toolchains only unless `RUSTC_BOOTSTRAP` says otherwise.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args) -> Result<()> {
    let manifest = published::copy(NAME, &[])?;
    let target_dir = workspace::target().join(NAME).join("target");
    let cargo = |arguments: &[&str]| -> Command {
        let mut cargo = command::new(env!("CARGO"));
        cargo.args(arguments);
        cargo.args(["--manifest-path".as_ref(), manifest.as_os_str()]);
        cargo
    };
    let step = progress::step(NAME, "looking for them");
    let mut update = cargo(&["-Zdirect-minimal-versions", "update", "--quiet"]);
    command::run(update.env("RUSTC_BOOTSTRAP", "1"))
        .context("what the manifests allow does not go together")?;
    let target: [&OsStr; 2] = ["--target-dir".as_ref(), target_dir.as_os_str()];
    for package in workspace::LIBRARIES {
        step.next(&format!("building {package}"));
        command::run(cargo(&["build", "--locked", "--quiet", "-p", package]).args(target))?;
    }
    step.next("unit tests");
    let mut test = cargo(&["test", "--locked", "--quiet", "--lib", "--all-features"]);
    command::run(test.args(target))?;
    step.next("what they are");
    let mut tree = cargo(&["tree", "--locked", "--depth=1", "--prefix=none", "-enormal"]);
    let direct = command::run(tree.args(["--all-features", "--package", "bpf-link-typed"]))?;
    drop(step);
    let direct = direct.lines().filter(|line| !line.contains('('));
    println!("{NAME}: {}", direct.collect::<Vec<_>>().join(", "));
    Ok(())
}
