//! The programs of the guest: the init, the test binaries and the lister that they run, built static so that the guest needs
//! no file of this machine.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

/// The test targets of the package that are run in the guest. Each of them honours `BPF_LINK_REPORT` (see `record`).
const TESTS: [&str; 1] = ["live"];
const PACKAGE: &str = "bpf-link-tests";
const INIT: &str = "vm-init";
/// The example that tests run, and its package.
const LISTER: &str = "bpf-links";
const LISTER_PACKAGE: &str = "bpf-link-typed";
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Under emulation what is not optimised takes its time, but to optimise dependencies costs more than it saves.
const PROFILE: [&str; 2] = [
    "profile.dev.opt-level=1",
    "profile.dev.package.\"*\".opt-level=0",
];

/// - The symbols stay: tests attach to their own functions, and a panic names the function it was in.
/// - Every test is a process, and so is each restarted agent: no relocations, of which there would be fifty thousand at each start.
const FLAGS: [&str; 3] = [
    "-Ctarget-feature=+crt-static",
    "-Crelocation-model=static",
    "-Cstrip=debuginfo",
];

/// Paths of built executables.
pub(crate) struct Programs {
    pub(crate) init: PathBuf,
    /// In the order in which they are run, by name.
    pub(crate) tests: Vec<(&'static str, PathBuf)>,
    pub(crate) lister: PathBuf,
}

/// What is read of a line that cargo prints for `--message-format=json`.
#[derive(Deserialize)]
struct Message {
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
    name: String,
}

/// Builds them into a target directory of their own, for its flags are not those of the workspace's other builds.
pub(crate) fn build(workspace: &Path, target_dir: &Path) -> Result<Programs> {
    // With the tests of a package cargo builds its binaries as well, and so the init.
    let mut arguments = vec!["test", "--no-run", "--package", PACKAGE];
    for test in TESTS {
        arguments.extend(["--test", test]);
    }
    let messages = cargo(&arguments, workspace, target_dir)?;
    let lister = ["build", "--package", LISTER_PACKAGE, "--example", LISTER];
    let of_lister = cargo(&lister, workspace, target_dir)?;
    Ok(Programs {
        init: find(&messages, "bin", INIT)?,
        tests: TESTS
            .into_iter()
            .map(|name| Ok((name, find(&messages, "test", name)?)))
            .collect::<Result<_>>()?,
        lister: find(&of_lister, "example", LISTER)?,
    })
}

/// Runs cargo, and gives back what it says about what it has built.
fn cargo(arguments: &[&str], workspace: &Path, target_dir: &Path) -> Result<Vec<Message>> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(arguments);
    for setting in PROFILE {
        cargo.args(["--config", setting]);
    }
    cargo
        .args([
            "--target",
            TARGET,
            "--message-format",
            "json-render-diagnostics",
            "--target-dir",
        ])
        .arg(target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}"))
        .current_dir(workspace)
        .stderr(Stdio::inherit());
    let output = cargo.output().context("cannot run cargo")?;
    ensure!(
        output.status.success(),
        "building the guest's programs failed ({})",
        output.status
    );
    parse(&output.stdout)
}

fn parse(stdout: &[u8]) -> Result<Vec<Message>> {
    let lines = stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_slice(line).context("cargo printed a line that is no message"))
        .collect()
}

fn find(messages: &[Message], kind: &str, name: &str) -> Result<PathBuf> {
    for message in messages {
        let Message {
            target: Some(target),
            executable: Some(executable),
        } = message
        else {
            continue;
        };
        if target.name == name && target.kind.iter().any(|of| of == kind) {
            return Ok(executable.clone());
        }
    }
    bail!("cargo built no {kind} {name}")
}
