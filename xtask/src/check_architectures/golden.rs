//! The tests that decode the recorded infos of links, as a package of their own. The dependencies
//! of the live tests would take minutes to build.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::{published, workspace};

/// Where the package is, in this workspace and in the copy.
pub(super) const MEMBER: &str = "tests";
pub(super) const TESTS: [&str; 2] = ["golden", "typed"];

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
/// The files that are copied unchanged: what they are in this workspace, and in the package.
const FILES: [(&str, &str); 3] = [
    ("tests/src/recorded.rs", "src/recorded.rs"),
    ("tests/tests/golden.rs", "tests/golden.rs"),
    ("bpf-link-typed/tests/fixtures.rs", "tests/typed.rs"),
];
const FIXTURES: &str = "fixtures";

/// Adds the package to the copy of the published crates that has this manifest.
pub(super) fn add(manifest: &Path) -> Result<()> {
    let root = workspace::root();
    let to = manifest.with_file_name(MEMBER);
    for directory in ["src", "tests"] {
        let directory = to.join(directory);
        fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
    }
    for (from, copy) in FILES {
        fs::copy(root.join(from), to.join(copy)).context(from)?;
    }
    published::copy_tree(&root.join(MEMBER).join(FIXTURES), &to.join(FIXTURES))?;
    fs::write(to.join("Cargo.toml"), MANIFEST)?;
    fs::write(to.join("src/lib.rs"), LIBRARY)?;
    Ok(())
}
