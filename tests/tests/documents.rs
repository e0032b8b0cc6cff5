//! What the documents of the workspace link to is there.
#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

/// Folders without documents of ours.
const SKIPPED: [&str; 2] = ["target", "fixtures"];

/// The top of the workspace.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Adds all Markdown files below a folder.
fn add_documents(folder: &Path, documents: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        let is_skipped = name.as_encoded_bytes().starts_with(b".")
            || SKIPPED.iter().any(|skipped| name == *skipped);
        if entry.file_type()?.is_dir() {
            if !is_skipped {
                add_documents(&path, documents)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "md") {
            documents.push(path);
        }
    }
    Ok(())
}

/// The targets of the links and pictures in this text that are files.
fn files(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1);
    let targets = targets.filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    let files = targets.map(|target| target.split_once('#').map_or(target, |(file, _)| file));
    // The others are pages of the web, and items of crates.
    files.filter(|file| !file.is_empty() && *file != "crate" && !file.contains(':'))
}

#[test]
fn linked_files_exist() -> Result<()> {
    let mut documents = Vec::new();
    add_documents(&workspace(), &mut documents)?;
    let (mut missing, mut found) = (Vec::new(), 0);
    for document in documents {
        let text = fs::read_to_string(&document)?;
        let folder = document.parent().context("a document is in a folder")?;
        for file in files(&text) {
            found += 1;
            if !folder.join(file).exists() {
                missing.push(format!("{}: {file}", document.display()));
            }
        }
    }
    ensure!(
        missing.is_empty(),
        "these lead nowhere:\n{}",
        missing.join("\n")
    );
    ensure!(found > 10, "only {found} links to files were found");
    Ok(())
}
