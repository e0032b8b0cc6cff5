//! A page that leads over from another library: its tables, and what is in their rows.

use anyhow::{Context as _, Result, ensure};

/// A page, with what it is held against.
pub(crate) struct Page {
    /// Its file, for messages.
    pub(crate) name: &'static str,
    pub(crate) text: &'static str,
    /// The names that have to be on it, a line each, with what else is to be known of them. Lines
    /// that begin with `# ` are about the list.
    pub(crate) names: &'static str,
}

/// The rows of a page's tables.
pub(crate) struct Rows<'a> {
    /// What is written there, and what is written here instead.
    pub(crate) ways: Vec<[&'a str; 2]>,
    /// What is left out, and why.
    pub(crate) left_out: Vec<[&'a str; 2]>,
}

impl Page {
    /// The rows of all tables.
    pub(crate) fn rows(&self) -> Result<Rows<'_>> {
        let mut rows = Rows {
            ways: Vec::new(),
            left_out: Vec::new(),
        };
        let mut is_left_out = None;
        for line in self.text.lines() {
            let Some(cells) = line.strip_prefix("| ") else {
                ensure!(!line.starts_with('|') || line == "|---|---|", "{line}");
                if line.is_empty() {
                    is_left_out = None;
                }
                continue;
            };
            let cells = cells.strip_suffix(" |").context(line.to_owned())?;
            let cells = cells.split_once(" | ").context(line.to_owned())?;
            ensure!(!cells.1.contains(" | "), "three cells: {line}");
            match (is_left_out, cells) {
                (None, ("you write" | "section", "you write here")) => is_left_out = Some(false),
                (None, ("left out", "why")) => is_left_out = Some(true),
                (None, _) => anyhow::bail!("the header of a table is not known: {line}"),
                (Some(false), (theirs, ours)) => rows.ways.push([theirs, ours]),
                (Some(true), (theirs, why)) => rows.left_out.push([theirs, why]),
            }
        }
        Ok(rows)
    }

    /// The names that have to be on it, each with what its list says about it.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&'static str, Option<&'static str>)> {
        let lines = self.names.lines().filter(|line| !line.starts_with("# "));
        lines.map(|line| match line.split_once(' ') {
            Some((name, about)) => (name, Some(about)),
            None => (line, None),
        })
    }
}

/// What is between backticks.
pub(crate) fn code(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The name of a call: what is before its arguments.
pub(crate) fn called(call: &str) -> &str {
    call.split_once('(').map_or(call, |(name, _)| name)
}

/// Code without what a formatter may change: white space, and commas after the last of a list.
pub(crate) fn unformatted(code: &str) -> String {
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let mut unformatted: String = lines.flat_map(str::chars).collect();
    unformatted.retain(|character| !character.is_whitespace());
    for (end, without) in [(",)", ")"), (",]", "]"), (",}", "}")] {
        unformatted = unformatted.replace(end, without);
    }
    unformatted
}
