//! Where things are in this workspace.

use std::env;
use std::path::{self, Path, PathBuf};
use std::sync::LazyLock;

use anyhow::{Result, bail};
use serde_json::Value;

use crate::command;

/// The libraries, each after those that it depends on.
pub(crate) const LIBRARIES: [&str; 3] = ["bpf-link-sys", "bpf-link", "bpf-link-typed"];

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

/// What cargo says of each package of the workspace with this manifest.
pub(crate) fn packages(manifest: &Path) -> Result<Vec<Value>> {
    let mut metadata = command::new(env!("CARGO"));
    metadata.args(["metadata", "--no-deps", "--offline", "--format-version=1"]);
    metadata.args(["--manifest-path".as_ref(), manifest.as_os_str()]);
    let mut metadata: Value = serde_json::from_str(&command::run(&mut metadata)?)?;
    match metadata.get_mut("packages").map(Value::take) {
        Some(Value::Array(packages)) => Ok(packages),
        _ => bail!("no packages"),
    }
}

/// The directory for what is built and fetched, as an absolute path.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR")
        .and_then(|dir| path::absolute(dir).ok())
        .unwrap_or_else(|| root().join("target"))
}
