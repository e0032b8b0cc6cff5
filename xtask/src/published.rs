//! The published crates alone: a copy of them as a workspace, without the dependencies of the rest
//! of this one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::workspace;

/// What their unit tests use of what they are developed with.
const USED_BY_UNIT_TESTS: &str = "serde_json";

/// Makes the copy, in a directory of this name below the workspace's target directory, with room
/// for other packages that the caller puts there; returns the manifest.
pub(crate) fn copy(name: &str, others: &[&str]) -> Result<PathBuf> {
    let copy = workspace::target().join(name).join("workspace");
    if copy.exists() {
        fs::remove_dir_all(&copy).with_context(|| copy.display().to_string())?;
    }
    for published in workspace::LIBRARIES {
        copy_tree(&workspace::root().join(published), &copy.join(published))?;
        rewrite(&copy.join(published).join("Cargo.toml"), without_the_rest)?;
    }
    for file in ["Cargo.toml", "Cargo.lock"] {
        let from = workspace::root().join(file);
        fs::copy(&from, copy.join(file)).with_context(|| from.display().to_string())?;
    }
    let manifest = copy.join("Cargo.toml");
    let members = [&workspace::LIBRARIES, others].concat();
    rewrite(&manifest, |text| with_members(text, &members))?;
    Ok(manifest)
}

/// Copies a directory with all that is in it.
pub(crate) fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| to.display().to_string())?;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy_tree(&from, &to)?;
        } else {
            fs::copy(&from, &to).with_context(|| from.display().to_string())?;
        }
    }
    Ok(())
}

fn rewrite(manifest: &Path, change: impl Fn(&str) -> String) -> Result<()> {
    let text = fs::read_to_string(manifest).with_context(|| manifest.display().to_string())?;
    Ok(fs::write(manifest, change(&text))?)
}

/// The manifest of a workspace with these members.
fn with_members(text: &str, members: &[&str]) -> String {
    let lines = text.lines().map(|line| {
        if line.starts_with("members = ") {
            format!("members = {members:?}")
        } else {
            line.to_owned()
        }
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

/// The manifest of a crate without what it is developed with, but for what its unit tests use.
fn without_the_rest(text: &str) -> String {
    let mut is_development = false;
    let lines = text.lines().filter(|line| {
        if line.starts_with('[') {
            is_development = *line == "[dev-dependencies]";
            return true;
        }
        !is_development || line.is_empty() || line.starts_with(USED_BY_UNIT_TESTS)
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_crate_is_developed_with_is_left_out() {
        let text = "[dependencies]\nlibc = \"1\"\n\n[dev-dependencies]\naya = \"1\"\nserde_json = \"1\"\n\n[lints]\na = 1\n";
        let expected = "[dependencies]\nlibc = \"1\"\n\n[dev-dependencies]\nserde_json = \"1\"\n\n[lints]\na = 1\n";
        assert_eq!(without_the_rest(text), expected);
    }

    #[test]
    fn members_are_others() {
        let text = "[workspace]\nmembers = [\"a\", \"b\"]\nx = 1\n";
        let expected = "[workspace]\nmembers = [\"b\"]\nx = 1\n";
        assert_eq!(with_members(text, &["b"]), expected);
    }
}
