//! Within a crate, the modules that import each other form a tree.

mod circle;
mod module;
mod reader;
mod resolve;
mod samples;
mod tokens;
mod uses;

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context as _, Result};

/// The file that each crate begins with.
const CRATES: [&str; 6] = [
    "bpf-link/src/lib.rs",
    "bpf-link-typed/src/lib.rs",
    "bpf-link-typed/bpf-links/src/main.rs",
    "tests/src/lib.rs",
    "xtask/src/main.rs",
    "xtask/tests/circles/main.rs",
];

fn workspace() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// What is wrong with the imports of a crate, in words; nothing if they form a tree.
fn circles_of(root: &Path, source: &dyn Fn(&Path) -> io::Result<String>) -> Result<String> {
    let uses = uses::uses(&reader::read_crate(root, source)?);
    let circles = circle::circles(&uses);
    Ok(circles.iter().map(ToString::to_string).collect())
}

#[test]
fn no_two_modules_import_each_other() -> Result<()> {
    let mut all = String::new();
    for root in CRATES {
        let source = |file: &Path| fs::read_to_string(workspace().join(file));
        all += &circles_of(Path::new(root), &source)?;
    }
    assert!(all.is_empty(), "imports form a tree, but there is\n{all}");
    Ok(())
}

/// A module `x` is in `x.rs`, beside the folder `x` with its children.
#[test]
fn no_file_is_called_mod_rs() -> Result<()> {
    let mut found = Vec::new();
    let mut folders = vec![workspace().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            let (name, path) = (entry.file_name(), entry.path());
            if name == "mod.rs" {
                found.push(path);
            } else if entry.file_type()?.is_dir() && name != "target" && name != ".git" {
                folders.push(path);
            }
        }
    }
    assert!(
        found.is_empty(),
        "these belong in `x.rs` beside `x/`: {found:?}"
    );
    Ok(())
}
