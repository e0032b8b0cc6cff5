//! Where things are in this workspace.

use std::env;
use std::path::{self, Path, PathBuf};
use std::sync::LazyLock;

/// The crates that are published, each after those that it depends on.
pub(crate) const PUBLISHED: [&str; 3] = ["bpf-link-sys", "bpf-link", "bpf-link-typed"];

/// As cargo says when it runs this program. What it said when it compiled it is out of date in a
/// checkout that has been moved with its `target`.
static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
    let mut root = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    root.pop();
    root
});

/// The directory of the workspace's manifest.
pub(crate) fn root() -> &'static Path {
    &ROOT
}

/// The directory for what is built and fetched, as an absolute path.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR")
        .and_then(|dir| path::absolute(dir).ok())
        .unwrap_or_else(|| root().join("target"))
}
