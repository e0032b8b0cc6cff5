//! `list`: writes links as they are found, and holds at most one of them, or one page of a table;
//! `--sort` holds them all.

use std::io::Write as _;

use anyhow::Result;
use bpf_link_typed::inspect::LinkDescription;
use bpf_link_typed::{InfoBuf, LinkId, RawLink};

use crate::args::{List, Sort};
use crate::escape;
use crate::failure::{self, Refused, Status};
use crate::filter::Filter;
use crate::found::{self, Found};
use crate::kinds;
use crate::notes::Notes;
use crate::output::{self, Output};
use crate::search::Search;
use crate::table::{Row, Table};
use crate::text;

/// Returns whether every link could be shown.
pub(crate) fn run(args: &List, json: bool) -> Result<Status> {
    let filter = Filter::new(&args.filter)?;
    let notes = Notes::default();
    let mut search = Search::new(found::with(args.with, &filter));
    let found = Found::find(&mut search, &notes);
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
            Ok(info) if found.is_own(info.id()) => {}
            Ok(info) => {
                let described = found.describe(info);
                if filter.shows(&described) {
                    writer.add(&described)?;
                }
            }
            Err(error) => refused.add(&error),
        }
    }
    let ended = writer.end();
    found.note_names();
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
    sort: Option<Sort>,
    form: Form,
}

/// With the links that are kept to be sorted.
enum Form {
    Json(Objects, Vec<(Key, Vec<u8>)>),
    Table(Box<Table>, Vec<(Key, Row)>),
}

/// What a link is sorted by.
type Key = (String, LinkId);

impl Writer {
    fn new(args: &List, json: bool) -> Self {
        Self {
            out: output::open(),
            sort: args.sort,
            form: if json || args.json_lines {
                let objects = Objects {
                    in_lines: args.json_lines,
                    are_none: true,
                };
                Form::Json(objects, Vec::new())
            } else {
                Form::Table(Box::new(Table::new()), Vec::new())
            },
        }
    }

    fn add(&mut self, described: &LinkDescription<'_>) -> Result<()> {
        let key = self.sort.map(|sort| key(sort, described));
        match (&mut self.form, key) {
            (Form::Json(objects, _), None) => {
                objects.add(&mut self.out, |out| Ok(escape::write(out, described)?))?;
            }
            (Form::Json(_, kept), Some(key)) => {
                let mut json = Vec::new();
                escape::write(&mut json, described)?;
                kept.push((key, json));
            }
            (Form::Table(table, _), None) => table.add(Row::of(described), &mut self.out)?,
            (Form::Table(_, kept), Some(key)) => kept.push((key, Row::of(described))),
        }
        Ok(())
    }

    fn end(mut self) -> Result<()> {
        match self.form {
            Form::Json(mut objects, kept) => {
                for json in sorted(kept) {
                    objects.add(&mut self.out, |out| Ok(out.write_all(&json)?))?;
                }
                objects.end(&mut self.out)?;
            }
            Form::Table(mut table, kept) => {
                for row in sorted(kept) {
                    table.add(row, &mut self.out)?;
                }
                table.end(&mut self.out)?;
            }
        }
        output::close(self.out)
    }
}

/// Objects in one array, or in a line each.
struct Objects {
    in_lines: bool,
    are_none: bool,
}

impl Objects {
    fn add(
        &mut self,
        out: &mut Output,
        write: impl FnOnce(&mut Output) -> Result<()>,
    ) -> Result<()> {
        if !self.in_lines {
            out.write_all(if self.are_none { b"[" } else { b"," })?;
        }
        self.are_none = false;
        write(out)?;
        if self.in_lines {
            out.write_all(b"\n")?;
        }
        Ok(())
    }

    fn end(self, out: &mut Output) -> Result<()> {
        let end: &[u8] = match self {
            Self { in_lines: true, .. } => b"",
            Self { are_none: true, .. } => b"[]\n",
            Self { .. } => b"]\n",
        };
        Ok(out.write_all(end)?)
    }
}

fn sorted<T>(mut kept: Vec<(Key, T)>) -> impl Iterator<Item = T> {
    kept.sort_by(|(one, _), (other, _)| one.cmp(other));
    kept.into_iter().map(|(_, link)| link)
}

fn key(sort: Sort, described: &LinkDescription<'_>) -> Key {
    let text = match sort {
        Sort::Kind => described.info.kind().to_string(),
        Sort::Prog => text::program_name(described).unwrap_or_default(),
        Sort::Hook => kinds::attached_to(described),
    };
    (text, described.info.id())
}
