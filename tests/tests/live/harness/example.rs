//! The examples of the crates, which tests run.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Result, anyhow};

use super::cargo;

/// The variable that says in which directory they are, where they need not be built: in the guests
/// of `cargo xtask vm-test`.
const VARIABLE: &str = "BPF_LINK_EXAMPLES";

/// Where the example of this name is, once they have been built.
pub(crate) fn path(name: &str) -> Result<PathBuf> {
    match std::env::var_os(VARIABLE) {
        Some(directory) => Ok(Path::new(&directory).join(name)),
        None => Ok(cargo::profile_directory()?.join("examples").join(name)),
    }
}

/// Has cargo build them, once in a process.
pub(super) fn build() -> Result<()> {
    static BUILT: OnceLock<Result<(), String>> = OnceLock::new();
    if std::env::var_os(VARIABLE).is_some() {
        return Ok(());
    }
    let build = || cargo::build(&["--examples"]).map_err(|error| format!("{error:#}"));
    BUILT
        .get_or_init(build)
        .clone()
        .map_err(|error| anyhow!(error))
}
