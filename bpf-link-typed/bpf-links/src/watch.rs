//! `watch`: which links come, go and change.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use bpf_link::{LinkInfo, RawLink};
use bpf_link_typed::{InfoBuf, LinkId, LinkKind};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::args::{Watch, With};
use crate::escape;
use crate::failure::{self, Refused, Status};
use crate::filter::Filter;
use crate::found::{self, Found};
use crate::kinds;
use crate::notes::Notes;
use crate::output::{self, Output, printable, shortened};
use crate::search::Search;
use crate::text;

/// A link as it was at the last look.
#[derive(Clone, Debug)]
struct Seen {
    /// What the kernel reported; if it is unchanged, nothing else is looked up again.
    said: LinkInfo,
    /// `None` for a link that the filters leave out.
    shown: Option<Shown>,
}

#[derive(Clone, Debug)]
struct Shown {
    kind: LinkKind,
    program: Option<String>,
    attached_to: String,
    /// Its pins, if they were looked for.
    pinned: Option<Vec<PathBuf>>,
    /// The link as JSON, where that is asked for.
    json: Option<Box<RawValue>>,
}

type Links = BTreeMap<LinkId, Seen>;

/// A change to report.
enum Change<'a> {
    /// It was there when the watch began.
    There(&'a Shown),
    Came(&'a Shown),
    Went(&'a Shown),
    /// From the first to the second.
    Changed(&'a Shown, &'a Shown),
}

pub(crate) fn run(args: &Watch, json: bool) -> Result<Status> {
    let (interrupt, interrupted) = mpsc::channel();
    ctrlc::set_handler(move || {
        // Nobody listens any more once the watch has ended.
        let _ = interrupt.send(());
    })
    .context("installing the signal handler")?;

    let filter = Filter::new(&args.filter)?;
    let mut watcher = Watcher {
        json,
        search: Search::new(found::with(With::default(), &filter)),
        filter,
        refused: Refused::default(),
    };
    let mut writer = Writer {
        out: output::open(),
        json,
        timestamps: args.timestamps,
    };
    let notes = Notes::default();
    let mut before = watcher.look(&BTreeMap::new(), &notes)?;
    if !args.changes_only {
        for (id, link) in &before {
            if let Some(shown) = &link.shown {
                writer.say(*id, &Change::There(shown))?;
            }
        }
    }
    writer.out.flush()?;
    notes.print();
    loop {
        match interrupted.recv_timeout(args.interval) {
            Err(RecvTimeoutError::Timeout) if output::is_unread() => {
                return Ok(watcher.refused.status());
            }
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                output::close(writer.out)?;
                return Ok(watcher.refused.status());
            }
        }
        // What could not be found out has been said.
        let now = watcher.look(&before, &Notes::default())?;
        for (id, change) in changes(&before, &now) {
            writer.say(id, &change)?;
        }
        writer.out.flush()?;
        before = now;
    }
}

struct Watcher<'a> {
    json: bool,
    filter: Filter<'a>,
    search: Search,
    refused: Refused,
}

impl Watcher<'_> {
    /// Looks at all links.
    fn look(&mut self, before: &Links, notes: &Notes) -> Result<Links> {
        let Self {
            json,
            filter,
            search,
            refused,
        } = self;
        let found = Found::find(search, notes);
        let incomplete = found.why_incomplete();
        let is_complete = incomplete.is_empty();
        for why in incomplete {
            refused.add_line(why);
        }
        let mut buf = InfoBuf::new();
        let mut seen = BTreeMap::new();
        for link in bpf_link::links() {
            let now = match link {
                Err(error) if failure::ends_a_walk(&error) => return Err(error.into()),
                Err(error) => Err(error.into()),
                Ok(link) => look_at(&link, *json, filter, before, &found, &mut buf),
            };
            match now {
                Ok(mut now) => {
                    let id = now.said.id();
                    // What is not found this time may be there as before.
                    if !is_complete {
                        let known = before.get(&id).and_then(|known| known.shown.as_ref());
                        now.shown = match (now.shown, known) {
                            (None, known) => known.cloned(),
                            (Some(mut shown), Some(known)) => {
                                if let (Some(now), Some(then)) = (&mut shown.pinned, &known.pinned)
                                {
                                    keep_pins(now, then);
                                }
                                Some(shown)
                            }
                            (shown, None) => shown,
                        };
                    }
                    seen.insert(id, now);
                }
                // A refused link must not end the watch, and does not count as gone.
                Err(error) => {
                    let id = failure::link(&error).filter(|id| !seen.contains_key(id));
                    let known = id.and_then(|id| Some((id, before.get(&id)?.clone())));
                    seen.extend(known);
                    refused.add(&error);
                }
            }
        }
        found.note_names();
        Ok(seen)
    }
}

/// Looks at one link; reuses what is known if it did not change.
fn look_at(
    link: &RawLink,
    json: bool,
    filter: &Filter<'_>,
    before: &Links,
    found: &Found<'_>,
    buf: &mut InfoBuf,
) -> Result<Seen> {
    let said = link.info()?;
    // Pins and holders can change while the kernel reports the same.
    let is_fixed = !filter.needs_more_than_info();
    let known = before.get(&said.id()).filter(|known| known.said == said);
    if let Some(known) = known.filter(|_| is_fixed) {
        return Ok(known.clone());
    }
    if !filter.may_show(&said) {
        return Ok(Seen { said, shown: None });
    }
    let described = found.describe(buf.read(link)?);
    let shown = if filter.shows(&described) {
        let json = json.then(|| escape::raw(&described));
        // Names stay as they were looked up: now they might not be found.
        let known = known.and_then(|known| known.shown.as_ref());
        let (program, attached_to) = match known {
            Some(known) => (known.program.clone(), known.attached_to.clone()),
            None => (text::program(&described), kinds::attached_to(&described)),
        };
        Some(Shown {
            kind: said.kind(),
            program,
            attached_to,
            pinned: described.pinned.map(<[PathBuf]>::to_vec),
            json: json.transpose()?,
        })
    } else {
        None
    };
    Ok(Seen { said, shown })
}

/// The differences.
fn changes<'a>(before: &'a Links, now: &'a Links) -> impl Iterator<Item = (LinkId, Change<'a>)> {
    let shown = |links: &'a Links, id| links.get(&id).and_then(|seen| seen.shown.as_ref());
    let went = before.iter().filter_map(move |(id, was)| {
        let was = was.shown.as_ref()?;
        shown(now, *id)
            .is_none()
            .then_some((*id, Change::Went(was)))
    });
    let others = now.iter().filter_map(move |(id, is)| {
        let is = is.shown.as_ref()?;
        match shown(before, *id) {
            None => Some((*id, Change::Came(is))),
            // A change in counters alone is not reported.
            Some(was) => (!is.is_like(was)).then_some((*id, Change::Changed(was, is))),
        }
    });
    went.chain(others)
}

/// Adds the pins of the look before: where some could not be looked for, what was found is certain,
/// and what was not found may still be there.
fn keep_pins(now: &mut Vec<PathBuf>, then: &[PathBuf]) {
    now.extend(then.iter().cloned());
    now.sort_unstable();
    now.dedup();
}

impl Shown {
    fn is_like(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.program == other.program
            && self.attached_to == other.attached_to
            && self.pinned == other.pinned
    }

    fn program(&self) -> &str {
        self.program.as_deref().unwrap_or("-")
    }

    fn pins(&self) -> &[PathBuf] {
        self.pinned.as_deref().unwrap_or_default()
    }

    fn change_from(&self, before: &Self) -> String {
        let mut changes = Vec::new();
        if self.kind != before.kind {
            changes.push(format!("{} -> {}", before.kind, self.kind));
        }
        if self.program != before.program {
            changes.push(format!(
                "program {} -> {}",
                before.program(),
                self.program()
            ));
        }
        if self.attached_to != before.attached_to {
            changes.push(format!("{} -> {}", before.attached_to, self.attached_to));
        }
        let (was, is) = (before.pins(), self.pins());
        let added = is.iter().filter(|path| !was.contains(path));
        changes.extend(added.map(|path| format!("pinned at {}", path.display())));
        let removed = was.iter().filter(|path| !is.contains(path));
        changes.extend(removed.map(|path| format!("unpinned from {}", path.display())));
        changes.join("; ")
    }
}

struct Writer {
    out: Output,
    json: bool,
    timestamps: bool,
}

/// A change as JSON.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    event: &'static str,
    /// The link now, or as last seen.
    link: Option<&'a RawValue>,
    /// For a change: the link before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<&'a RawValue>,
}

impl Writer {
    fn say(&mut self, id: LinkId, change: &Change<'_>) -> Result<()> {
        let now = || humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        let time = self.timestamps.then(now);
        let (sign, event, link, before) = match change {
            Change::There(link) => (' ', "there", link, None),
            Change::Came(link) => ('+', "came", link, None),
            Change::Went(link) => ('-', "went", link, None),
            Change::Changed(before, link) => ('~', "changed", link, Some(before)),
        };
        if self.json {
            let report = Report {
                time,
                event,
                link: link.json.as_deref(),
                before: before.and_then(|before| before.json.as_deref()),
            };
            escape::write(&mut self.out, &report)?;
            return Ok(self.out.write_all(b"\n")?);
        }
        let words = match before {
            Some(before) => link.change_from(before),
            None => format!("program {}, {}", link.program(), link.attached_to),
        };
        let time = time.map(|time| format!("{time} ")).unwrap_or_default();
        let said = printable(&format!("{time}{sign} {id} {}: {words}", link.kind));
        Ok(writeln!(self.out, "{}", shortened(&said, output::room()))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_pins_are_seen_where_others_cannot_be_looked_for() {
        let mut now = vec![PathBuf::from("/b/new")];
        keep_pins(&mut now, &[PathBuf::from("/a/old")]);
        assert_eq!(now, [PathBuf::from("/a/old"), PathBuf::from("/b/new")]);
        keep_pins(&mut now, &[PathBuf::from("/a/old")]);
        assert_eq!(now.len(), 2);
    }
}
