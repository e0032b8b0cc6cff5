//! The command `bpf-links`, which tests run.

use std::path::PathBuf;
use std::sync::OnceLock;

use anyhow::{Result, anyhow};

use super::cargo;

/// The variable that says where it is, where it need not be built: in the guests of
/// `cargo xtask vm-test`.
const VARIABLE: &str = "BPF_LINKS";
const COMMAND: &str = "bpf-links";

/// Where it is, once it has been built.
pub(crate) fn path() -> Result<PathBuf> {
    match std::env::var_os(VARIABLE) {
        Some(path) => Ok(path.into()),
        None => Ok(cargo::profile_directory()?.join(COMMAND)),
    }
}

/// Has cargo build it, once in a process, as it is no part of this package. Where it is up to date
/// that takes a moment.
pub(super) fn build() -> Result<()> {
    static BUILT: OnceLock<Result<(), String>> = OnceLock::new();
    if std::env::var_os(VARIABLE).is_some() {
        return Ok(());
    }
    let build = || cargo::build(&["--bin", COMMAND]).map_err(|error| format!("{error:#}"));
    let done = BUILT.get_or_init(build).clone();
    done.map_err(|error| anyhow!(error))
}
