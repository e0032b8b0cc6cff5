//! A table of links, a page after the other, so that it can be as long as it will.
//!
//! Pins and holders have lines of their own, below their link. On a terminal no line is longer than
//! that is wide: what would be is shortened in its middle.

use std::borrow::Cow;
use std::io::Write as _;

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::kinds;
use crate::output::{self, Output, printable};
use crate::text;
use crate::view::View;

/// How many links there are on a page: the columns are as wide as the first page takes, or more.
const PAGE: usize = 256;
/// What is between two columns.
const GAP: &str = "  ";
/// What is before the lines below a link.
const INDENT: &str = "        ";
/// On a terminal that is narrower, or does not know how wide it is, lines are as long as they will.
const NARROWEST: usize = 40;
/// What a hook is never shortened below.
const SHORTEST: usize = 16;
const CUT: &str = "…";

const TITLES: [&str; WHOLE] = ["ID", "KIND", "PROGRAM"];
const LAST_TITLE: &str = "ATTACHED TO";
/// How many columns are never shortened.
const WHOLE: usize = 3;

pub(crate) struct Table {
    page: Vec<Row>,
    widths: Option<[usize; WHOLE]>,
    /// How wide the terminal is, if there is one that says so.
    room: Option<usize>,
    styles: Styles,
}

/// A link.
#[derive(Debug)]
pub(crate) struct Row {
    whole: [String; WHOLE],
    attached_to: String,
    is_defunct: bool,
    below: Vec<String>,
}

impl Row {
    pub(crate) fn of(view: &View<'_>) -> Self {
        let program = text::program(view).unwrap_or_else(|| "-".to_owned());
        let pins = view.pinned.unwrap_or_default().iter();
        let pins = pins.map(|path| format!("pinned at {}", path.to_string_lossy()));
        let holders = view.holders.unwrap_or_default().iter();
        let holders = holders.map(|holder| format!("held by {}", text::holder(holder)));
        Self {
            whole: [
                view.info.id().to_string(),
                view.info.kind().to_string(),
                printable(&program),
            ],
            attached_to: printable(&kinds::attached_to(view)),
            is_defunct: view.info.is_defunct() == Some(true),
            below: pins.chain(holders).map(|line| printable(&line)).collect(),
        }
    }
}

/// Colours, where there may be some.
#[derive(Default)]
struct Styles {
    title: Style,
    kind: Style,
    defunct: Style,
    below: Style,
}

impl Table {
    pub(crate) fn new() -> Self {
        let styles = if output::has_colours() {
            Styles {
                title: Style::new().bold(),
                kind: AnsiColor::Cyan.on_default(),
                defunct: AnsiColor::Red.on_default(),
                below: Style::new().dimmed(),
            }
        } else {
            Styles::default()
        };
        Self {
            page: Vec::new(),
            widths: None,
            room: output::width().filter(|width| *width >= NARROWEST),
            styles,
        }
    }

    pub(crate) fn add(&mut self, row: Row, out: &mut Output) -> Result<()> {
        self.page.push(row);
        if self.page.len() >= PAGE {
            self.turn(out)?;
        }
        Ok(())
    }

    pub(crate) fn end(&mut self, out: &mut Output) -> Result<()> {
        self.turn(out)
    }

    /// Writes a page, and begins the next one.
    fn turn(&mut self, out: &mut Output) -> Result<()> {
        let is_first = self.widths.is_none();
        let mut widths = self.widths.unwrap_or(TITLES.map(str::len));
        for row in &self.page {
            for (width, cell) in widths.iter_mut().zip(&row.whole) {
                *width = cell.width().max(*width);
            }
        }
        self.widths = Some(widths);
        if is_first {
            let title = self.styles.title;
            write_cells(out, &TITLES.map(|text| (text, title)), &widths)?;
            writeln!(out, "{title}{LAST_TITLE}{title:#}")?;
        }
        for row in std::mem::take(&mut self.page) {
            self.write(&row, &widths, out)?;
        }
        Ok(out.flush()?)
    }

    fn write(&self, row: &Row, widths: &[usize; WHOLE], out: &mut Output) -> Result<()> {
        let [id, kind, program] = &row.whole;
        let plain = Style::new();
        let cells = [(&**id, plain), (kind, self.styles.kind), (program, plain)];
        write_cells(out, &cells, widths)?;
        let style = if row.is_defunct {
            self.styles.defunct
        } else {
            plain
        };
        let used: usize = widths.iter().map(|width| width + GAP.len()).sum();
        let room = |used| self.room.map(|room| room.saturating_sub(used));
        let attached_to = shortened(&row.attached_to, room(used).map(|room| room.max(SHORTEST)));
        writeln!(out, "{style}{attached_to}{style:#}")?;
        let style = self.styles.below;
        for line in &row.below {
            let line = shortened(line, room(INDENT.len()));
            writeln!(out, "{INDENT}{style}{line}{style:#}")?;
        }
        Ok(())
    }
}

fn write_cells(
    out: &mut Output,
    cells: &[(&str, Style); WHOLE],
    widths: &[usize; WHOLE],
) -> Result<()> {
    for ((text, style), width) in cells.iter().zip(widths) {
        let padding = width.saturating_sub(text.width());
        write!(out, "{style}{text}{style:#}{:padding$}{GAP}", "")?;
    }
    Ok(())
}

/// The text, or its beginning and its end if it is wider than there is room.
fn shortened(text: &str, room: Option<usize>) -> Cow<'_, str> {
    let Some(room) = room.filter(|room| text.width() > *room) else {
        return Cow::Borrowed(text);
    };
    let room = room.saturating_sub(CUT.width());
    let end = room / 2;
    let start: String = within(text.chars(), room - end).collect();
    let mut end: Vec<char> = within(text.chars().rev(), end).collect();
    end.reverse();
    Cow::Owned(format!("{start}{CUT}{}", String::from_iter(end)))
}

/// The first characters, as many as there is room for.
fn within(characters: impl Iterator<Item = char>, mut room: usize) -> impl Iterator<Item = char> {
    characters.map_while(move |character| {
        room = room.checked_sub(character.width().unwrap_or(0))?;
        Some(character)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_wide_is_shortened_in_its_middle() {
        for (text, room, expected) in [
            ("/sys/fs/cgroup/a", None, "/sys/fs/cgroup/a"),
            ("/sys/fs/cgroup/a", Some(16), "/sys/fs/cgroup/a"),
            ("/sys/fs/cgroup/a", Some(15), "/sys/fs…group/a"),
            ("/sys/fs/cgroup/a", Some(2), "/…"),
            ("/sys/fs/cgroup/a", Some(0), "…"),
            // These are two columns wide each.
            ("ファイル", Some(8), "ファイル"),
            ("ファイル", Some(7), "フ…ル"),
        ] {
            assert_eq!(shortened(text, room), expected, "{room:?}");
        }
    }
}
