//! Habits of writing that make readers stop, looked for in comments, texts and Markdown.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use regex::{Match, Regex, RegexSet};

use crate::files;

/// How many columns a comment has.
const COLUMNS: usize = 100;

/// What is not written, and what is written instead.
const HABITS: &[(&str, &str)] = &[
    (r"(?i)\bwhoever\b", "name the one who acts"),
    (r"\b(be|is|was|were) had\b", "say who has it"),
    (r"\bby (itself|themselves)\b", "\"alone\", \"on its own\""),
    (
        r"\b(a|the|any|each|word|words|bytes|operation|caller)\w* (that|which) (is|are) none\b",
        "\"is not a\"",
    ),
    (r"\b(is|are) none of\b", "\"is not\""),
    (r"\bmade up\b", "\"invented\", or what happens"),
    // Gone away, or working: say which.
    (
        r"\bgoes( (for|if|when|unless)\b|[;,])",
        "what becomes of it",
    ),
];
/// What looks like a habit and is fine.
const FINE: &str = r"\bcomes (or|and) goes\b";
const BEHIND: &str = r"(?i)\bbehind\b";
/// "Behind" is fine only shortly after a form of "leave".
const LEFT: &str = r"(?i)\b(leave|leaves|leaving|left)\b.{0,60}$";

/// A line of prose, and where it is.
struct Line {
    place: String,
    text: String,
}

/// The habits as patterns, which take a while to make.
struct Patterns {
    habits: RegexSet,
    fine: Regex,
    behind: Regex,
    left: Regex,
}

impl Patterns {
    fn new() -> Result<Self> {
        Ok(Self {
            habits: RegexSet::new(HABITS.iter().map(|(habit, _)| habit))?,
            fine: Regex::new(FINE)?,
            behind: Regex::new(BEHIND)?,
            left: Regex::new(LEFT)?,
        })
    }

    /// What the lines of a file have of them, and where.
    fn found(&self, lines: &[Line]) -> Vec<String> {
        let mut found = Vec::new();
        let mut before = "";
        for line in lines {
            let mut instead = Vec::new();
            let text = self.fine.replace_all(&line.text, "");
            for habit in self.habits.matches(&text) {
                instead.extend(HABITS.get(habit).map(|(_, instead)| *instead));
            }
            // The words may be on two lines.
            let is_left = |behind: Match<'_>| {
                let on_this = line.text.get(..behind.start()).unwrap_or_default();
                self.left.is_match(&format!("{before} {on_this}"))
            };
            if !self.behind.find_iter(&line.text).all(is_left) {
                instead.push("\"after\"");
            }
            let Line { place, text } = line;
            let found_here = instead.into_iter();
            found.extend(
                found_here.map(|instead| format!("{place}: {text}\n    instead: {instead}")),
            );
            before = text;
        }
        found
    }
}

#[test]
fn habits_that_make_readers_stop() -> Result<()> {
    let patterns = Patterns::new()?;
    let found = all_prose()?
        .iter()
        .flat_map(|lines| patterns.found(lines))
        .collect::<Vec<_>>();
    ensure!(found.is_empty(), "\n{}", found.join("\n"));
    Ok(())
}

#[test]
fn comments_that_are_too_wide() -> Result<()> {
    let mut found = Vec::new();
    for path in files::with_extension("rs")? {
        let source = read(&path)?;
        let mut is_code = false;
        for (number, line) in (1..).zip(source.lines()) {
            let Some(comment) = comment(line) else {
                is_code = false;
                continue;
            };
            let fence = comment.starts_with("```");
            is_code ^= fence;
            // Code and tables are as wide as they are.
            let is_free = is_code || fence || comment.starts_with('|') || !comment.contains(' ');
            if line.chars().count() > COLUMNS && !is_free {
                found.push(format!("{}:{number}", path.display()));
            }
        }
    }
    let found = found.join("\n");
    ensure!(found.is_empty(), "wider than {COLUMNS} columns:\n{found}");
    Ok(())
}

/// What the check finds in these lines.
fn found_in(lines: &[&str]) -> Result<Vec<String>> {
    let line = |text: &&str| Line {
        place: "here".to_owned(),
        text: (*text).to_owned(),
    };
    let lines: Vec<Line> = lines.iter().map(line).collect();
    Ok(Patterns::new()?.found(&lines))
}

/// The check finds what it is for.
#[test]
fn a_sample_of_each_habit() -> Result<()> {
    let samples = [
        "Whoever opens it has it.",
        "The link can be had over restarts.",
        "It ends by itself.",
        "bytes that are none",
        "the descriptor is none of a cgroup",
        "What the kernel does not say is not made up.",
        "a link that is dropped goes, unless it is pinned",
    ];
    ensure!(samples.len() == HABITS.len(), "a habit has no sample");
    let behind = ["it is behind the header", "Behind the last link."];
    let instead = HABITS.iter().map(|(_, instead)| *instead);
    let instead = instead.chain(behind.map(|_| "\"after\""));
    for (sample, instead) in samples.into_iter().chain(behind).zip(instead) {
        let found = found_in(&[sample])?;
        ensure!(found == [format!("here: {sample}\n    instead: {instead}")]);
    }
    Ok(())
}

#[test]
fn behind_is_fine_after_leave() -> Result<()> {
    for fine in [
        &["a pin that was left", "behind by it"][..],
        &["what an earlier run leaves behind"],
        &["a link that comes or goes, as it likes"],
    ] {
        let found = found_in(fine)?;
        ensure!(found.is_empty(), "{found:?}");
    }
    // But not before it, nor long before.
    for found in [
        &["behind what was left"][..],
        &["a pin that was left", "", "behind by it"],
        &["left by a run that was killed, and found by the next one, which came behind it"],
    ] {
        ensure!(found_in(found)?.len() == 1, "{found:?}");
    }
    Ok(())
}

/// The prose of each file, line by line.
fn all_prose() -> Result<Vec<Vec<Line>>> {
    let this_file = Path::new(file!()).file_name();
    let text = Regex::new(r#""(?:[^"\\]|\\.)*""#)?;
    let mut all = Vec::new();
    for path in files::with_extension("rs")? {
        if path.file_name() == this_file {
            continue;
        }
        let line = |line: &str| match comment(line) {
            Some(comment) => comment.to_owned(),
            None => text.find_iter(line).map(|found| found.as_str()).collect(),
        };
        all.push(lines(&path, line)?);
    }
    for path in files::with_extension("md")? {
        all.push(lines(&path, str::to_owned)?);
    }
    Ok(all)
}

fn lines(path: &Path, prose: impl Fn(&str) -> String) -> Result<Vec<Line>> {
    let source = read(path)?;
    let line = |(number, line): (usize, &str)| Line {
        place: format!("{}:{number}", path.display()),
        text: prose(line),
    };
    Ok((1..).zip(source.lines()).map(line).collect())
}

/// What is in a line that is a comment.
fn comment(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("//")?;
    Some(rest.trim_start_matches(['/', '!']).trim_start())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| path.display().to_string())
}
