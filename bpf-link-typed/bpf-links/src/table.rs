//! A table of links, written a page at a time, so that it can be of any length.
//!
//! Pins and holders have lines of their own below their link. On a terminal, what is too wide is
//! shortened in the middle.

use std::io::Write as _;

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use bpf_link_typed::inspect::LinkDescription;
use unicode_width::UnicodeWidthStr as _;

use crate::kinds;
use crate::output::{self, Output, printable, shortened};
use crate::text;

/// Links per page. Later pages may widen the columns.
const PAGE: usize = 256;
/// What is between two columns.
pub(crate) const GAP: &str = "  ";
/// What is before the lines below a link or a program.
pub(crate) const INDENT: &str = "        ";
/// Where a hook would get less room than this, it gets a line of its own.
const SHORTEST: usize = 24;

const TITLES: [&str; WHOLE] = ["ID", "KIND", "PROGRAM"];
const LAST_TITLE: &str = "ATTACHED TO";
/// The number of columns that are never shortened.
const WHOLE: usize = 3;

pub(crate) struct Table {
    page: Vec<Row>,
    widths: Option<[usize; WHOLE]>,
    /// The terminal's width, if known.
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
    pub(crate) fn of(link: &LinkDescription<'_>) -> Self {
        let program = text::program(link).unwrap_or_else(|| "-".to_owned());
        let below = text::below(link.pinned, link.holders);
        Self {
            whole: [
                link.info.id().to_string(),
                link.info.kind().to_string(),
                printable(&program),
            ],
            attached_to: printable(&kinds::attached_to(link)),
            is_defunct: link.is_defunct() == Some(true),
            below: below.iter().map(|line| printable(line)).collect(),
        }
    }
}

/// Colours, if they are allowed.
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
            room: output::room(),
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
            self.write_whole(&TITLES.map(|text| (text, title)), &widths, out)?;
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
        let room = self.write_whole(&cells, widths, out)?;
        let style = if row.is_defunct {
            self.styles.defunct
        } else {
            plain
        };
        // The sort of hook stays whole, and what comes after it is shortened.
        let sort = row.attached_to.find(' ').map_or(0, |end| end + 1);
        let (sort, rest) = row.attached_to.split_at(sort);
        let rest = shortened(rest, room.map(|room| room.saturating_sub(sort.width())));
        writeln!(out, "{style}{sort}{rest}{style:#}")?;
        let style = self.styles.below;
        for line in &row.below {
            let line = shortened(line, self.room_after(INDENT.len()));
            writeln!(out, "{INDENT}{style}{line}{style:#}")?;
        }
        Ok(())
    }

    /// Writes the columns that are never shortened, and returns how wide the last column may be.
    /// Where little room is left, that column starts on a new line.
    fn write_whole(
        &self,
        cells: &[(&str, Style); WHOLE],
        widths: &[usize; WHOLE],
        out: &mut Output,
    ) -> Result<Option<usize>> {
        for ((text, style), width) in cells.iter().zip(widths) {
            let padding = width.saturating_sub(text.width());
            write!(out, "{style}{text}{style:#}{:padding$}{GAP}", "")?;
        }
        let used = widths.iter().map(|width| width + GAP.len()).sum();
        let room = self.room_after(used);
        if room.is_some_and(|room| room < SHORTEST) {
            write!(out, "\n{INDENT}")?;
            return Ok(self.room_after(INDENT.len()));
        }
        Ok(room)
    }

    fn room_after(&self, used: usize) -> Option<usize> {
        self.room.map(|room| room.saturating_sub(used))
    }
}
