//! The command `bpf-links`, which tests run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context as _, Result, anyhow, ensure};

/// The variable that says where it is, where it need not be built: in the guests of
/// `cargo xtask vm-test`.
const VARIABLE: &str = "BPF_LINKS";
const COMMAND: &str = "bpf-links";

/// Where it is, once it has been built.
pub(crate) fn path() -> Result<PathBuf> {
    match std::env::var_os(VARIABLE) {
        Some(path) => Ok(path.into()),
        None => Ok(profile_directory()?.join(COMMAND)),
    }
}

/// Has cargo build it, once in a process, as it is no part of this package. Where it is up to date
/// that takes a moment.
pub(super) fn build() -> Result<()> {
    static BUILT: OnceLock<Result<(), String>> = OnceLock::new();
    if std::env::var_os(VARIABLE).is_some() {
        return Ok(());
    }
    let built = BUILT.get_or_init(|| run_cargo().map_err(|error| format!("{error:#}")));
    built.clone().map_err(|error| anyhow!(error))
}

fn run_cargo() -> Result<()> {
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
        .args(["build", "--offline", "--workspace", "--bin", COMMAND])
        .args(["--profile", profile, "--target-dir"])
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .output()
        .context("running cargo")?;
    ensure!(
        output.status.success(),
        "building {COMMAND}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// Where cargo puts what it builds with the profile of this test: above the `deps` that this
/// program is in.
fn profile_directory() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let directory = program.parent().and_then(Path::parent);
    Ok(directory.context("not where cargo puts tests")?.to_owned())
}
