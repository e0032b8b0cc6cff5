//! `show`: one link in detail.

use std::io::Write as _;

use anyhow::Result;
use bpf_link_typed::inspect::LinkDescription;
use bpf_link_typed::{InfoBuf, RawLink};
use serde_json::Value;

use crate::args::{Show, With};
use crate::escape;
use crate::found::Found;
use crate::kinds;
use crate::notes::Notes;
use crate::output::{self, Output, printable};
use crate::search::Search;
use crate::text;
use crate::which;

/// The width of the labels.
const LABEL: usize = 18;
/// Keys that the first lines already show.
const SHOWN: &[&str] = &["id", "type", "prog_id", "prog_name", "pinned", "pids"];

pub(crate) fn run(args: &Show, json: bool) -> Result<()> {
    write(&which::link(&args.link.link)?, args.with, json)
}

pub(crate) fn write(link: &RawLink, with: With, json: bool) -> Result<()> {
    let notes = Notes::default();
    let mut search = Search::new(with);
    let found = Found::find(&mut search, &notes);
    let mut buf = InfoBuf::new();
    let described = found.describe(buf.read(link)?);
    let mut out = output::open();
    if json {
        escape::write(&mut out, &described)?;
        writeln!(out)?;
    } else {
        write_lines(&mut out, &described)?;
    }
    output::close(out)?;
    found.note_names();
    notes.print();
    Ok(())
}

/// Writes what most people want first, then all other keys.
fn write_lines(out: &mut Output, described: &LinkDescription<'_>) -> Result<()> {
    writeln!(out, "link {}", described.info.id())?;
    line(out, "kind", &described.info.kind().to_string())?;
    line(
        out,
        "program",
        &text::program(described).unwrap_or_else(|| "-".to_owned()),
    )?;
    line(out, "attached to", &kinds::attached_to(described))?;
    for path in described.pinned.unwrap_or_default() {
        line(out, "pinned at", &path.to_string_lossy())?;
    }
    for holder in described.holders.unwrap_or_default() {
        line(out, "held by", &text::holder(holder))?;
    }
    if let Value::Object(keys) = serde_json::to_value(described)? {
        // The bytes of names are for programs.
        let is_news = |key: &str| !SHOWN.contains(&key) && !key.ends_with("_bytes");
        for (key, value) in keys.iter().filter(|(key, _)| is_news(key)) {
            match value {
                Value::Array(entries) => {
                    for entry in entries {
                        line(out, key, &words(entry))?;
                    }
                }
                value => line(out, key, &words(value))?,
            }
        }
    }
    Ok(())
}

fn line(out: &mut Output, label: &str, value: &str) -> Result<()> {
    Ok(writeln!(out, "  {label:LABEL$} {}", printable(value))?)
}

/// A value without JSON syntax.
fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Object(keys) => {
            let keys = keys
                .iter()
                .map(|(key, value)| format!("{key} {}", words(value)));
            keys.collect::<Vec<_>>().join(", ")
        }
        Value::Array(entries) => {
            let entries = entries.iter().map(words);
            entries.collect::<Vec<_>>().join(", ")
        }
        Value::Number(number) => number.to_string(),
    }
}
