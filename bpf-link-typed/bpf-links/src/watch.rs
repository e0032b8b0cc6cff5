//! `watch`: which links come, go and change.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::mpsc::{self, RecvTimeoutError};

use anyhow::{Context as _, Result};
use bpf_link::{LinkInfo, RawLink};
use bpf_link_typed::{InfoBuf, LinkId, LinkKind};

use crate::args::Watch;
use crate::failure;
use crate::kinds;
use crate::notes::Notes;
use crate::output::{self, Output, printable};
use crate::resolve::Resolver;
use crate::text;
use crate::view::View;

/// A link as it was at the last look.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    /// What the kernel has said, which tells whether the words below have to be found anew.
    said: LinkInfo,
    kind: LinkKind,
    program: Option<String>,
    attached_to: String,
}

pub(crate) fn run(args: &Watch) -> Result<()> {
    let (interrupt, interrupted) = mpsc::channel();
    ctrlc::set_handler(move || {
        // There is nobody to tell once the watch has ended by itself.
        let _ = interrupt.send(());
    })
    .context("waiting for the interruption")?;

    let mut out = output::open();
    let notes = Notes::default();
    let mut before = look(&BTreeMap::new(), &notes)?;
    for (id, link) in &before {
        say(&mut out, ' ', *id, link)?;
    }
    out.flush()?;
    notes.print();
    loop {
        match interrupted.recv_timeout(args.interval) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return output::close(out),
        }
        // What could not be found out has been said.
        let now = look(&before, &Notes::default())?;
        report(&mut out, &before, &now)?;
        out.flush()?;
        before = now;
    }
}

/// Looks at all links.
fn look(before: &BTreeMap<LinkId, Seen>, notes: &Notes) -> Result<BTreeMap<LinkId, Seen>> {
    let resolver = Resolver::new(notes);
    let mut buf = InfoBuf::new();
    let mut seen = BTreeMap::new();
    for link in bpf_link::links() {
        let link = link?;
        // One that is refused must not end the watch of the others.
        match look_at(&link, before, &resolver, &mut buf) {
            Ok(now) => {
                seen.insert(now.said.id(), now);
            }
            Err(error) => notes.add("some links are not watched", failure::line(&error)),
        }
    }
    Ok(seen)
}

/// Looks at one link, which may be as it was.
fn look_at(
    link: &RawLink,
    before: &BTreeMap<LinkId, Seen>,
    resolver: &Resolver<'_>,
    buf: &mut InfoBuf,
) -> Result<Seen> {
    let said = link.info()?;
    if let Some(known) = before.get(&said.id()).filter(|known| known.said == said) {
        return Ok(known.clone());
    }
    let view = View {
        info: buf.read(link)?,
        resolver,
        pinned: None,
        holders: None,
    };
    Ok(Seen {
        said,
        kind: said.kind(),
        program: text::program(&view),
        attached_to: kinds::attached_to(&view),
    })
}

/// Says what is not as it was.
fn report(
    out: &mut Output,
    before: &BTreeMap<LinkId, Seen>,
    now: &BTreeMap<LinkId, Seen>,
) -> Result<()> {
    for (id, link) in before {
        if !now.contains_key(id) {
            say(out, '-', *id, link)?;
        }
    }
    for (id, link) in now {
        match before.get(id) {
            None => say(out, '+', *id, link)?,
            Some(before) => {
                let change = link.change_from(before);
                // Counters count without a word.
                if !change.is_empty() {
                    writeln!(out, "~ {id} {}: {}", link.kind, printable(&change))?;
                }
            }
        }
    }
    Ok(())
}

fn say(out: &mut Output, sign: char, id: LinkId, link: &Seen) -> Result<()> {
    let program = link.program.as_deref().unwrap_or("-");
    let (program, attached_to) = (printable(program), printable(&link.attached_to));
    Ok(writeln!(
        out,
        "{sign} {id} {}: program {program}, {attached_to}",
        link.kind
    )?)
}

impl Seen {
    fn change_from(&self, before: &Self) -> String {
        let mut changes = Vec::new();
        if self.kind != before.kind {
            changes.push(format!("{} -> {}", before.kind, self.kind));
        }
        if self.program != before.program {
            let [old, new] = [before, self].map(|link| link.program.as_deref().unwrap_or("-"));
            changes.push(format!("program {old} -> {new}"));
        }
        if self.attached_to != before.attached_to {
            changes.push(format!("{} -> {}", before.attached_to, self.attached_to));
        }
        changes.join("; ")
    }
}
