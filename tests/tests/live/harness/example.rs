//! The examples of the crates, which tests run.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::cargo::{self, Built};

static EXAMPLES: Built = Built::new("BPF_LINK_EXAMPLES", &["--examples"]);

/// Where the example of this name is, once they have been built.
pub(crate) fn path(name: &str) -> Result<PathBuf> {
    match EXAMPLES.given() {
        Some(directory) => Ok(Path::new(&directory).join(name)),
        None => Ok(cargo::profile_directory()?.join("examples").join(name)),
    }
}

/// Has them built.
pub(super) fn build() -> Result<()> {
    EXAMPLES.build()
}
