//! `list`: all links of this machine, one after the other. No more than one of them is kept at a
//! time, or a page of a table.

use std::io::Write as _;

use anyhow::{Context as _, Result};
use bpf_link::RawLink;
use bpf_link_typed::InfoBuf;

use crate::args::List;
use crate::holders::Holders;
use crate::json::{LinkJson, escape};
use crate::notes::Notes;
use crate::output::{self, Output};
use crate::pinned::Pinned;
use crate::resolve::Resolver;
use crate::table::Table;
use crate::view::View;

pub(crate) fn run(args: &List) -> Result<()> {
    let notes = Notes::default();
    let mut links = bpf_link::links();
    // Without privilege the walk fails at once: before anything is written.
    let first = links.next();
    if let Some(Err(error @ bpf_link::Error::PermissionDenied(_))) = first {
        return Err(error.into());
    }
    let pinned = args.with.pinned.then(|| Pinned::find(&notes));
    let holders = args.with.holders.then(|| Holders::find(&notes));
    let resolver = Resolver::new(&notes);

    let mut writer = Writer::new(args);
    let mut buf = InfoBuf::new();
    let mut failed = Failed::default();
    for link in first.into_iter().chain(links) {
        let link = match link.and_then(|link| Ok(wanted(args, &link)?.then_some(link))) {
            Ok(Some(link)) => link,
            Ok(None) => continue,
            Err(error) => {
                failed.add(error.into());
                continue;
            }
        };
        match buf.read(&link) {
            Ok(info) => writer.add(&View {
                info,
                resolver: &resolver,
                pinned: pinned.as_ref().map(|pinned| pinned.of(info.id())),
                holders: holders.as_ref().map(|holders| holders.of(info.id())),
            })?,
            Err(error) => failed.add(error.into()),
        }
    }
    writer.end()?;
    notes.print();
    failed.result()
}

/// Whether the arguments ask for this link.
fn wanted(args: &List, link: &RawLink) -> bpf_link::Result<bool> {
    if args.kinds.is_empty() && args.program.is_none() {
        return Ok(true);
    }
    let info = link.info()?;
    let kind = args.kinds.is_empty() || args.kinds.contains(&info.kind());
    let program = args.program.is_none() || args.program == info.program_id();
    Ok(kind && program)
}

/// The links that could not be shown.
#[derive(Default)]
struct Failed {
    first: Option<anyhow::Error>,
    others: usize,
}

impl Failed {
    fn add(&mut self, error: anyhow::Error) {
        match self.first {
            None => self.first = Some(error),
            Some(_) => self.others += 1,
        }
    }

    fn result(self) -> Result<()> {
        match self.first {
            None => Ok(()),
            Some(error) if self.others == 0 => Err(error),
            Some(error) => {
                let others = self.others;
                Err(error).with_context(|| format!("{} links could not be shown", others + 1))
            }
        }
    }
}

/// The form of the list.
struct Writer {
    out: Output,
    form: Form,
}

enum Form {
    Array { is_empty: bool },
    Lines,
    Table(Box<Table>),
}

impl Writer {
    fn new(args: &List) -> Self {
        Self {
            out: output::open(),
            form: if args.json {
                Form::Array { is_empty: true }
            } else if args.json_lines {
                Form::Lines
            } else {
                Form::Table(Box::new(Table::new(args.with)))
            },
        }
    }

    fn add(&mut self, view: &View<'_>) -> Result<()> {
        match &mut self.form {
            Form::Array { is_empty } => {
                self.out.write_all(if *is_empty { b"[" } else { b"," })?;
                *is_empty = false;
                escape::write(&mut self.out, &LinkJson(view))?;
            }
            Form::Lines => {
                escape::write(&mut self.out, &LinkJson(view))?;
                self.out.write_all(b"\n")?;
            }
            Form::Table(table) => table.add(view, &mut self.out)?,
        }
        Ok(())
    }

    fn end(mut self) -> Result<()> {
        match self.form {
            Form::Array { is_empty: true } => self.out.write_all(b"[]\n")?,
            Form::Array { is_empty: false } => self.out.write_all(b"]\n")?,
            Form::Lines => {}
            Form::Table(mut table) => table.end(&mut self.out)?,
        }
        output::close(self.out)
    }
}
