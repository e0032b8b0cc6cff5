//! A table of links, a page after the other, so that it can be as long as it will.
//!
//! On a terminal it is as wide as that is, and coloured; elsewhere it is plain text, with a line
//! for each link.

use std::io::Write as _;

use anyhow::Result;
use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Width};

use crate::args::With;
use crate::kinds;
use crate::output::{self, Output, printable};
use crate::text;
use crate::view::View;

/// How many links there are on a page: the widths of the columns are those of the first page, or
/// more.
const PAGE: usize = 256;

/// How much room there is between two columns.
const GAP: u16 = 2;
/// How many columns are never cut into several lines: the id, the kind and the program.
const WHOLE: usize = 3;
/// On a terminal that is narrower, or does not know how wide it is, lines are as long as they will.
const NARROWEST: u16 = 40;

pub(crate) struct Table {
    page: comfy_table::Table,
    widths: Vec<u16>,
    header: Vec<&'static str>,
    /// How wide the terminal is, if there is one that says so.
    room: Option<u16>,
    has_colours: bool,
}

impl Table {
    pub(crate) fn new(with: With) -> Self {
        let mut header = vec!["ID", "KIND", "PROGRAM", "ATTACHED TO"];
        header.extend(with.pinned.then_some("PINNED AT"));
        header.extend(with.holders.then_some("HELD BY"));
        let mut table = Self {
            page: comfy_table::Table::new(),
            widths: Vec::new(),
            header,
            room: room(),
            has_colours: output::has_colours(),
        };
        table.page = table.new_page();
        let titles: Vec<Cell> = table
            .header
            .iter()
            .map(|title| table.title(title))
            .collect();
        table.page.set_header(titles);
        table
    }

    pub(crate) fn add(&mut self, view: &View<'_>, out: &mut Output) -> Result<()> {
        let row = self.row(view);
        self.page.add_row(row);
        if self.page.row_count() >= PAGE {
            self.turn(out)?;
        }
        Ok(())
    }

    pub(crate) fn end(&mut self, out: &mut Output) -> Result<()> {
        self.turn(out)
    }

    /// Writes a page, and begins the next one.
    fn turn(&mut self, out: &mut Output) -> Result<()> {
        let is_first = self.widths.is_empty();
        if self.page.row_count() == 0 && !is_first {
            return Ok(());
        }
        self.page.discover_columns();
        let widths = if is_first {
            self.page.column_max_content_widths()
        } else {
            self.widths.clone()
        };
        let all_fit = self.fits(&widths);
        for (index, column) in self.page.column_iter_mut().enumerate() {
            column.set_padding((0, GAP));
            let width = widths.get(index).copied().unwrap_or(0);
            // Where not all fits, the columns share what there is, but for those that are of no use
            // in pieces.
            if index < WHOLE {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
            if !is_first && (index < WHOLE || all_fit) {
                let width = Width::Fixed(width.saturating_add(GAP));
                column.set_constraint(ColumnConstraint::LowerBoundary(width));
            }
        }
        for line in self.page.lines() {
            writeln!(out, "{}", line.trim_end())?;
        }
        out.flush()?;
        self.widths = widths;
        self.page = self.new_page();
        Ok(())
    }

    /// Whether columns with contents of these widths fit beside each other.
    fn fits(&self, widths: &[u16]) -> bool {
        let all: usize = widths.iter().map(|width| usize::from(width + GAP)).sum();
        self.room.is_none_or(|room| all <= room.into())
    }

    fn new_page(&self) -> comfy_table::Table {
        let mut page = comfy_table::Table::new();
        page.load_preset(comfy_table::presets::NOTHING);
        if let Some(room) = self.room {
            page.set_content_arrangement(ContentArrangement::Dynamic);
            page.set_width(room);
        } else {
            page.set_content_arrangement(ContentArrangement::Disabled);
        }
        if self.has_colours {
            page.enforce_styling();
        } else {
            page.force_no_tty();
        }
        page
    }

    fn row(&self, view: &View<'_>) -> Vec<Cell> {
        let info = &view.info;
        let is_defunct = info.is_defunct() == Some(true);
        let program = text::program(view).unwrap_or_else(|| "-".to_owned());
        let mut row = vec![
            Cell::new(info.id()),
            self.coloured(Cell::new(info.kind()), Color::DarkCyan),
            Cell::new(printable(&program)),
        ];
        let attached = Cell::new(printable(&kinds::attached_to(view)));
        row.push(if is_defunct {
            self.coloured(attached, Color::DarkRed)
        } else {
            attached
        });
        if let Some(pinned) = view.pinned {
            let paths: Vec<_> = pinned
                .iter()
                .map(|path| printable(&path.to_string_lossy()))
                .collect();
            row.push(Cell::new(list(&paths)));
        }
        if let Some(holders) = view.holders {
            let holders: Vec<_> = holders
                .iter()
                .map(|holder| {
                    let command = String::from_utf8_lossy(&holder.comm);
                    format!("{} ({})", printable(&command), holder.pid)
                })
                .collect();
            row.push(Cell::new(list(&holders)));
        }
        row
    }

    fn title(&self, title: &str) -> Cell {
        let cell = Cell::new(title);
        if self.has_colours {
            cell.add_attribute(Attribute::Bold)
        } else {
            cell
        }
    }

    fn coloured(&self, cell: Cell, colour: Color) -> Cell {
        if self.has_colours {
            cell.fg(colour)
        } else {
            cell
        }
    }
}

fn room() -> Option<u16> {
    let width = comfy_table::Table::new().width();
    width.filter(|width| output::is_terminal() && *width >= NARROWEST)
}

fn list(items: &[String]) -> String {
    if items.is_empty() {
        "-".to_owned()
    } else {
        items.join(", ")
    }
}
