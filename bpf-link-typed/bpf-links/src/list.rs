//! `list`: writes links as they are found, and holds at most one of them, or one page of a table;
//! `--sort` holds them all.

use std::io::Write as _;

use anyhow::Result;
use bpf_link_typed::{InfoBuf, LinkId, RawLink};

use crate::args::{List, Sort};
use crate::failure::{self, Refused, Status};
use crate::filter::Filter;
use crate::found::{self, Found};
use crate::json::{LinkJson, escape};
use crate::kinds;
use crate::notes::Notes;
use crate::output::{self, Output};
use crate::table::{Row, Table};
use crate::text;
use crate::view::View;

/// Returns whether every link could be shown.
pub(crate) fn run(args: &List, json: bool) -> Result<Status> {
    let filter = Filter::new(&args.filter)?;
    let notes = Notes::default();
    let found = Found::find(found::with(args.with, &filter), &notes);
    let mut writer = Writer::new(args, json);
    let mut buf = InfoBuf::new();
    let mut refused = Refused::default();
    for link in bpf_link::links() {
        let wanted = |link: RawLink| {
            let may_show = !filter.is_by_numbers() || filter.may_show(&link.info()?);
            Ok(may_show.then_some(link))
        };
        let info = match link.and_then(wanted) {
            Ok(Some(link)) => buf.read(&link).map_err(anyhow::Error::from),
            Ok(None) => continue,
            Err(error) if failure::ends_a_walk(&error) => return Err(error.into()),
            Err(error) => Err(error.into()),
        };
        match info {
            Ok(info) => {
                let view = found.view(info);
                if filter.shows(&view) {
                    writer.add(&view)?;
                }
            }
            Err(error) => refused.add(&error),
        }
    }
    let ended = writer.end();
    notes.print();
    if filter.needs_more_than_info() && !found.why_incomplete().is_empty() {
        refused.add_line("so links may be missing".to_owned());
    }
    ended?;
    Ok(refused.status())
}

/// Writes the list in its form.
struct Writer {
    out: Output,
    form: Form,
    /// What was kept to be sorted.
    kept: Vec<(Key, Kept)>,
    sort: Option<Sort>,
}

enum Form {
    Array { is_empty: bool },
    Lines,
    Table(Box<Table>),
}

/// What a link is sorted by.
type Key = (String, LinkId);

/// A link as it will be written.
enum Kept {
    Json(Vec<u8>),
    Row(Row),
}

impl Writer {
    fn new(args: &List, json: bool) -> Self {
        Self {
            out: output::open(),
            form: if args.json_lines {
                Form::Lines
            } else if json {
                Form::Array { is_empty: true }
            } else {
                Form::Table(Box::new(Table::new()))
            },
            kept: Vec::new(),
            sort: args.sort,
        }
    }

    fn add(&mut self, view: &View<'_>) -> Result<()> {
        if let Some(sort) = self.sort {
            let kept = if let Form::Table(_) = self.form {
                Kept::Row(Row::of(view))
            } else {
                let mut json = Vec::new();
                escape::write(&mut json, &LinkJson(view))?;
                Kept::Json(json)
            };
            self.kept.push((key(sort, view), kept));
            return Ok(());
        }
        if let Form::Table(table) = &mut self.form {
            return table.add(Row::of(view), &mut self.out);
        }
        self.begin()?;
        escape::write(&mut self.out, &LinkJson(view))?;
        self.finish()
    }

    fn add_kept(&mut self, kept: Kept) -> Result<()> {
        match (kept, &mut self.form) {
            (Kept::Row(row), Form::Table(table)) => table.add(row, &mut self.out),
            (Kept::Row(_), _) => unreachable!("rows are kept for tables"),
            (Kept::Json(json), _) => {
                self.begin()?;
                self.out.write_all(&json)?;
                self.finish()
            }
        }
    }

    /// Writes what precedes an object.
    fn begin(&mut self) -> Result<()> {
        if let Form::Array { is_empty } = &mut self.form {
            self.out.write_all(if *is_empty { b"[" } else { b"," })?;
            *is_empty = false;
        }
        Ok(())
    }

    /// Writes what follows an object.
    fn finish(&mut self) -> Result<()> {
        if let Form::Lines = self.form {
            self.out.write_all(b"\n")?;
        }
        Ok(())
    }

    fn end(mut self) -> Result<()> {
        let mut kept = std::mem::take(&mut self.kept);
        kept.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (_, kept) in kept {
            self.add_kept(kept)?;
        }
        match self.form {
            Form::Array { is_empty: true } => self.out.write_all(b"[]\n")?,
            Form::Array { is_empty: false } => self.out.write_all(b"]\n")?,
            Form::Lines => {}
            Form::Table(mut table) => table.end(&mut self.out)?,
        }
        output::close(self.out)
    }
}

fn key(sort: Sort, view: &View<'_>) -> Key {
    let text = match sort {
        Sort::Kind => view.info.kind().to_string(),
        Sort::Prog => text::program_name(view).unwrap_or_default(),
        Sort::Hook => kinds::attached_to(view),
    };
    (text, view.info.id())
}
