//! The files of the workspace that people write.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

/// The workspace's files with this extension, but for what is generated.
pub(crate) fn with_extension(extension: &str) -> Result<Vec<PathBuf>> {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![xtask.parent().unwrap_or(xtask).to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            let (path, name) = (entry.path(), entry.file_name());
            let is_hidden = name.as_encoded_bytes().starts_with(b".");
            if entry.file_type()?.is_dir() {
                if !is_hidden && name != "target" && name != "corpus" {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|it| it == extension) && name != "bindings.rs" {
                found.push(path);
            }
        }
    }
    ensure!(!found.is_empty(), "there are no {extension} files");
    found.sort();
    Ok(found)
}
