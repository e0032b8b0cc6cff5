//! Building the programs of other packages that tests run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// Builds the part of the workspace that these arguments select. It takes a moment if nothing has
/// changed.
pub(super) fn build(selected: &[&str]) -> Result<()> {
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
