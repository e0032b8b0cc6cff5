//! Builds with `AddressSanitizer`, which is for nightly toolchains only unless `RUSTC_BOOTSTRAP`
//! says otherwise.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{command, workspace};

/// Code is built for this target by name, so that build scripts and macros are not built with the
/// sanitizer.
const TARGET: &str = "x86_64-unknown-linux-gnu";
const FLAG: &str = "-Zsanitizer=address";

/// A build in a target directory of its own, below the workspace's.
#[derive(Debug)]
pub(crate) struct Sanitizer {
    target_dir: PathBuf,
    flags: Vec<&'static str>,
}

impl Sanitizer {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            target_dir: workspace::target().join(name),
            flags: vec![FLAG],
        }
    }

    /// Has the compiler do this as well.
    pub(crate) fn flags(mut self, flags: &[&'static str]) -> Self {
        self.flags.extend(flags);
        self
    }

    /// Where cargo puts what it builds with this profile.
    pub(crate) fn built(&self, profile: &str) -> PathBuf {
        self.target_dir.join(TARGET).join(profile)
    }

    /// A command of cargo that builds so, for the package or workspace of a manifest.
    pub(crate) fn cargo(&self, subcommand: &str, manifest: &Path) -> Command {
        let mut cargo = command::new(env!("CARGO"));
        cargo
            .args([subcommand, "--locked", "--target", TARGET])
            .arg("--target-dir")
            .arg(&self.target_dir)
            .arg("--manifest-path")
            .arg(manifest)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_ENCODED_RUSTFLAGS", self.flags.join("\u{1f}"));
        cargo
    }
}
