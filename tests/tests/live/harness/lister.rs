//! The command `bpf-links`, which tests run.

use std::path::PathBuf;

use anyhow::Result;

use super::cargo::{self, Built};

const COMMAND: &str = "bpf-links";
static LISTER: Built = Built::new("BPF_LINKS", &["--bin", COMMAND]);

/// Where it is, once it has been built.
pub(crate) fn path() -> Result<PathBuf> {
    match LISTER.given() {
        Some(path) => Ok(path.into()),
        None => Ok(cargo::profile_directory()?.join(COMMAND)),
    }
}

/// Has it built, as it is not part of this package.
pub(super) fn build() -> Result<()> {
    LISTER.build()
}
