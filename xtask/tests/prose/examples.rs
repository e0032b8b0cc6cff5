//! The examples in the documentation of `bpf-link-typed`: that crate alone is enough for them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::files;

/// The lines of examples: those in blocks, of a Markdown file or of the comments of a Rust one,
/// with what documents hide with a `#`.
fn examples(text: &str, is_markdown: bool) -> impl Iterator<Item = &str> {
    let lines = text.lines().filter_map(move |line| {
        let line = line.trim_start();
        if is_markdown {
            return Some(line);
        }
        line.strip_prefix("///")
            .or_else(|| line.strip_prefix("//!"))
    });
    let mut is_example = false;
    lines.filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_example ^= is_fence;
        is_example && !is_fence
    })
}

/// The names that come right after `bpf_link::` in this line, one or a list.
fn names_of_bpf_link(line: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for (place, found) in line.match_indices("bpf_link::") {
        let is_name = |text: &char| text.is_alphanumeric() || *text == '_';
        let before = line.get(..place).unwrap_or_default();
        if before.chars().next_back().as_ref().is_some_and(is_name) {
            continue;
        }
        let rest = line.get(place + found.len()..).unwrap_or_default();
        let list = match rest.strip_prefix('{') {
            Some(list) => list.split_once('}').map_or(list, |(list, _)| list),
            None => rest
                .split(|text| !is_name(&text))
                .next()
                .unwrap_or_default(),
        };
        names.extend(list.split(',').map(str::trim));
    }
    names
}

/// `bpf-link-typed` alone is enough: no example of it takes from `bpf-link` what it has itself.
#[test]
fn examples_use_what_the_crate_exports() -> Result<()> {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    let crate_folder = xtask.parent().unwrap_or(xtask).join("bpf-link-typed");
    let exports = fs::read_to_string(crate_folder.join("src/lib.rs"))?;
    let exports = exports
        .split_once("pub use bpf_link::{")
        .context("it exports some")?;
    let (exports, _) = exports.1.split_once("};").context("the list has an end")?;
    let exports: Vec<&str> = exports.split(',').map(str::trim).collect();
    ensure!(exports.contains(&"ProgramInfo") && exports.contains(&"links"));
    let documents = [files::with_extension("md")?, files::with_extension("rs")?].concat();
    let is_of_crate = |document: &&PathBuf| document.starts_with(&crate_folder);
    let (mut wrong, mut read) = (Vec::new(), 0);
    for document in documents.iter().filter(is_of_crate) {
        let text = fs::read_to_string(document)?;
        let is_markdown = document.extension().is_some_and(|end| end == "md");
        for line in examples(&text, is_markdown) {
            read += 1;
            let names = names_of_bpf_link(line);
            if names.iter().any(|name| exports.contains(name)) {
                wrong.push(format!("{}: {line}", document.display()));
            }
        }
    }
    ensure!(read > 500, "only {read} lines of examples were found");
    ensure!(
        wrong.is_empty(),
        "bpf_link_typed has these itself:\n{}",
        wrong.join("\n")
    );
    Ok(())
}

#[test]
fn names_are_taken_from_lines() {
    for (line, expected) in [
        (
            "use bpf_link::{LinkKind, Support};",
            &["LinkKind", "Support"][..],
        ),
        ("# fn f() -> bpf_link::Result<()> {", &["Result"]),
        ("for link in bpf_link::links() {", &["links"]),
        (
            "use xbpf_link::LinkKind; use bpf_link_typed::LinkKind;",
            &[],
        ),
    ] {
        assert_eq!(names_of_bpf_link(line), expected, "{line}");
    }
}
