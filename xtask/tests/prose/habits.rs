//! Habits of writing that make readers stop, looked for in comments, texts and Markdown.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use regex::{Regex, RegexSet};

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
/// After this it is about a place, or about what is left.
const BEHIND: &str = r"\bbehind\b";
const LEFT_BEHIND: &str = r"\b(leave|leaves|leaving|left)\b";

/// A line of prose, and where it is.
struct Line {
    place: String,
    text: String,
}

#[test]
fn habits_that_make_readers_stop() -> Result<()> {
    let habits = RegexSet::new(HABITS.iter().map(|(habit, _)| habit))?;
    let [fine, behind, left] = [FINE, BEHIND, LEFT_BEHIND].map(Regex::new);
    let (fine, behind, left) = (fine?, behind?, left?);
    let mut found = Vec::new();
    for lines in all_prose()? {
        for (index, line) in lines.iter().enumerate() {
            for habit in habits.matches(&fine.replace_all(&line.text, "")) {
                let instead = HABITS.get(habit).map_or("", |(_, instead)| instead);
                found.push(format!(
                    "{}: {}\n    instead: {instead}",
                    line.place, line.text
                ));
            }
            // The words may be on two lines.
            let before = index.checked_sub(1).and_then(|index| lines.get(index));
            let mut near = before.into_iter().chain([line]);
            if behind.is_match(&line.text) && !near.any(|line| left.is_match(&line.text)) {
                found.push(format!(
                    "{}: {}\n    instead: \"after\"",
                    line.place, line.text
                ));
            }
        }
    }
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

/// The check finds what it is for.
#[test]
fn a_sample_of_each_habit() -> Result<()> {
    let habits = RegexSet::new(HABITS.iter().map(|(habit, _)| habit))?;
    let samples = [
        "Whoever opens it has it.",
        "The link can be had over restarts.",
        "It ends by itself.",
        "bytes that are none",
        "the descriptor is none of a cgroup",
        "What the kernel does not say is not made up.",
        "a link that is dropped goes, unless it is pinned",
    ];
    for (index, sample) in samples.iter().enumerate() {
        let matches: Vec<usize> = habits.matches(sample).into_iter().collect();
        ensure!(matches == [index], "{sample}: {matches:?}");
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
