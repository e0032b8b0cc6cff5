//! Relative links between the Markdown files: each leads to a file, and to a heading in it. Links
//! to items of the crates are checked by rustdoc.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use regex::Regex;

use crate::files;

#[test]
fn each_leads_somewhere() -> Result<()> {
    let mut wrong = Vec::new();
    let mut checked = 0;
    for path in files::with_extension("md")? {
        let text = fs::read_to_string(&path)?;
        for target in targets(&text)? {
            checked += 1;
            if !leads_somewhere(&path, &text, &target)? {
                wrong.push(format!("{}: {target}", path.display()));
            }
        }
    }
    ensure!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    ensure!(checked > 15, "only {checked} links were found");
    Ok(())
}

/// The relative targets of a text's links.
fn targets(text: &str) -> Result<Vec<String>> {
    // After a text, or in a definition of a link.
    let link = Regex::new(r"\]\(([^()\s]+)\)|(?m:^\[[^\]]+\]: (\S+)$)")?;
    let text = without_code(text);
    let found = link.captures_iter(&text).filter_map(|found| {
        let target = found.get(1).or_else(|| found.get(2))?;
        Some(target.as_str().to_owned())
    });
    // With a scheme, or an item of a crate.
    let is_relative = |target: &String| !target.contains(':') && !target.starts_with("crate");
    Ok(found.filter(is_relative).collect())
}

/// What is in a block of code is not a link.
fn without_code(text: &str) -> String {
    let mut is_code = false;
    let is_text = |line: &&str| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    };
    let lines: Vec<&str> = text.lines().filter(is_text).collect();
    lines.join("\n")
}

fn leads_somewhere(from: &Path, text: &str, target: &str) -> Result<bool> {
    let (file, heading) = match target.split_once('#') {
        Some((file, heading)) => (file, Some(heading)),
        None => (target, None),
    };
    let to = from.parent().context("a folder")?.join(file);
    if !file.is_empty() && !to.exists() {
        return Ok(false);
    }
    let Some(heading) = heading else {
        return Ok(true);
    };
    let there = if file.is_empty() {
        text.to_owned()
    } else {
        fs::read_to_string(to)?
    };
    let there = without_code(&there);
    let mut headings = there.lines().filter(|line| line.starts_with('#'));
    Ok(headings.any(|line| anchor(line) == heading))
}

/// The anchor of a heading: lower case, with hyphens for spaces, and without other punctuation.
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = words.chars().filter_map(|it| match it {
        ' ' => Some('-'),
        '-' | '_' => Some(it),
        _ => it.is_alphanumeric().then_some(it),
    });
    kept.collect()
}

#[test]
fn what_leads_nowhere_is_found() -> Result<()> {
    let text = "# A heading, of two\n[a](#a-heading-of-two) [b](#none) [c](Cargo.toml) [d](no.md)\n\
                ```\n[e](no.md)\n```\n[f](crate::F)\n[g]: no.md\n";
    let found = targets(text)?;
    ensure!(
        found == ["#a-heading-of-two", "#none", "Cargo.toml", "no.md", "no.md"],
        "{found:?}"
    );
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("a.md");
    let leads: Result<Vec<bool>> = found
        .iter()
        .map(|target| leads_somewhere(&here, text, target))
        .collect();
    ensure!(leads? == [true, false, true, false, false]);
    Ok(())
}
