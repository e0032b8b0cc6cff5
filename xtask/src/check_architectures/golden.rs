//! The test that decodes the recorded infos of links, as a package of its own. The dependencies of
//! the live tests would take minutes to build.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::{published, workspace};

/// Where the package is, in this workspace and in the copy.
pub(super) const MEMBER: &str = "tests";
pub(super) const TEST: &str = "golden";

const MANIFEST: &str = r#"[package]
name = "bpf-link-tests"
version = "0.0.0"
publish = false
edition.workspace = true

[dependencies]
anyhow.workspace = true
serde_json.workspace = true

[dev-dependencies]
bpf-link.workspace = true
bpf-link-typed.workspace = true
"#;
const LIBRARY: &str = "//! What kernels have said of links.\n\npub mod recorded;\n";
/// The files that are copied unchanged.
const FILES: [&str; 2] = ["src/recorded.rs", "tests/golden.rs"];
const FIXTURES: &str = "fixtures";

/// Adds the package to the copy of the published crates that has this manifest.
pub(super) fn add(manifest: &Path) -> Result<()> {
    let from = workspace::root().join(MEMBER);
    let to = manifest.with_file_name(MEMBER);
    for directory in ["src", "tests"] {
        let directory = to.join(directory);
        fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
    }
    for file in FILES {
        let from = from.join(file);
        fs::copy(&from, to.join(file)).with_context(|| from.display().to_string())?;
    }
    published::copy_tree(&from.join(FIXTURES), &to.join(FIXTURES))?;
    fs::write(to.join("Cargo.toml"), MANIFEST)?;
    fs::write(to.join("src/lib.rs"), LIBRARY)?;
    Ok(())
}
