//! What kernels say of links, as fixtures for the tests that need no kernel:
//! `tests/src/recorded.rs` says what is in them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::recorded::Recorded;
use serde_json::Value;

/// Writes what a kernel said, each link into a file of its own, and removes the files of that
/// kernel's series and architecture that there were.
pub(crate) fn write(golden: &[Value], fixtures: &Path) -> Result<()> {
    let links = golden.iter().map(Recorded::from_json);
    let links = links.collect::<Result<Vec<_>>>()?;
    let names: BTreeSet<&str> = links.iter().map(|link| link.name.as_str()).collect();
    ensure!(names.len() == links.len(), "a link was recorded twice");
    let first = links.first().context("no link was recorded")?;
    let directory = fixtures.join(first.directory());
    if directory.exists() {
        fs::remove_dir_all(&directory).with_context(|| directory.display().to_string())?;
    }
    links.iter().try_for_each(|link| link.write(fixtures))
}
