//! Every list and folder that has something for each kind of link has it for every kind.
//!
//! What has to be where is data, in `list.rs`. The same data is the recipe for a new kind in
//! `CONTRIBUTING.md`.
#![forbid(unsafe_code)]

mod kind;
mod list;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use bpf_link::LinkKind;

use kind::Kind;
use list::{LISTS, List};

/// The line in `CONTRIBUTING.md` after which the recipe stands, and the one before which it ends.
const RECIPE: [&str; 2] = ["<!-- the recipe for a new kind -->", "<!-- its end -->"];

/// The top of the workspace.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What these lists lack of a kind, a line each.
fn missing(kind: &Kind) -> Result<Vec<String>> {
    let mut missing = Vec::new();
    for list in LISTS {
        if !list.has(kind, &workspace())? {
            missing.push(list.step(kind));
        }
    }
    Ok(missing)
}

#[test]
fn no_kind_is_missing_anywhere() -> Result<()> {
    let mut all = Vec::new();
    for &kind in LinkKind::KNOWN {
        let kind = Kind::of(kind);
        for missing in missing(&kind)? {
            all.push(format!("{}: {missing}", kind.file));
        }
    }
    ensure!(all.is_empty(), "missing:\n{}", all.join("\n"));
    Ok(())
}

/// Were it not so, a list would be taken to have what it does not have.
#[test]
fn a_kind_that_is_nowhere_is_missing_everywhere() -> Result<()> {
    let nowhere = Kind::named("Nowhere", "nowhere");
    let missing = missing(&nowhere)?;
    let expected: Vec<String> = LISTS
        .iter()
        .filter(|list| list.is_for_all())
        .map(|list| list.step(&nowhere))
        .collect();
    ensure!(missing == expected, "{missing:#?}");
    Ok(())
}

#[test]
fn the_recipe_is_what_is_missing_of_a_new_kind() -> Result<()> {
    let page = workspace().join("CONTRIBUTING.md");
    let page = std::fs::read_to_string(&page).context("CONTRIBUTING.md")?;
    let [start, end] = RECIPE;
    let written = page
        .split_once(start)
        .and_then(|(_, rest)| rest.split_once(end))
        .map(|(recipe, _)| recipe.trim());
    let template = Kind::named("<Kind>", "<kind>");
    let steps: Vec<String> = LISTS.iter().map(|list| list.step(&template)).collect();
    let expected = steps.join("\n");
    ensure!(
        written == Some(expected.as_str()),
        "CONTRIBUTING.md has not, between {start} and {end}:\n{expected}"
    );
    Ok(())
}

/// A list that has moved is found at its new place, or the test says so.
#[test]
fn every_list_is_there() -> Result<()> {
    for list in LISTS {
        if let List::Line { path, .. } = list {
            ensure!(workspace().join(path).is_file(), "there is no {path}");
        }
    }
    Ok(())
}
