//! Building the programs of other packages that tests run.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context as _, Result, anyhow, ensure};

/// Programs of other packages: cargo builds them, or somebody has done so and a variable says where
/// they are, as in the guests of `cargo xtask vm-test`.
#[derive(Debug)]
pub(super) struct Built {
    variable: &'static str,
    /// What cargo is told to build.
    selected: &'static [&'static str],
    done: OnceLock<Result<(), String>>,
}

impl Built {
    pub(super) const fn new(variable: &'static str, selected: &'static [&'static str]) -> Self {
        let done = OnceLock::new();
        Self {
            variable,
            selected,
            done,
        }
    }

    /// What the variable says.
    pub(super) fn given(&self) -> Option<OsString> {
        std::env::var_os(self.variable)
    }

    /// Has cargo build them, once in a process. It takes a moment if nothing has changed.
    pub(super) fn build(&self) -> Result<()> {
        if self.given().is_some() {
            return Ok(());
        }
        let build = || build(self.selected).map_err(|error| format!("{error:#}"));
        let done = self.done.get_or_init(build).clone();
        done.map_err(|error| anyhow!(error))
    }
}

fn build(selected: &[&str]) -> Result<()> {
    let directory = profile_directory()?;
    let profile = match directory.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    let target = directory.parent().context("no target directory")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        // With the features that `cargo test --workspace` has built it with, so that there is
        // nothing to do.
        .args(["build", "--offline", "--workspace"])
        .args(selected)
        .args(["--profile", profile, "--target-dir"])
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .output()
        .context("running cargo")?;
    ensure!(
        output.status.success(),
        "building {}: {}",
        selected.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// Where cargo puts what it builds with the profile of this test: above the `deps` that this
/// program is in.
pub(super) fn profile_directory() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let directory = program.parent().and_then(Path::parent);
    Ok(directory.context("not where cargo puts tests")?.to_owned())
}
