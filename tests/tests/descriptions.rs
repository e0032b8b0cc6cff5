//! The table of the keys that descriptions of links have, held against what kernels have said.
// Those kernels wrote the lowest byte of a number first.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::recorded::{Buffer, Recorded};
use bpf_link_typed::inspect::{LinkDescription, Names};
use bpf_link_typed::{LinkInfoRef, RecordedBuffers};
use serde_json::{Map, Value, json};

const TABLE: &str = include_str!("../../bpf-link-typed/docs/json.md");

/// A row of the table.
struct Row {
    keys: Vec<String>,
    /// The kinds; empty if it is for all of them, or for those that have something.
    kinds: Vec<String>,
    /// The fields of the info.
    fields: Vec<String>,
    /// Whether its key is 0 once the link is detached, and the info has nothing.
    is_zero_once_detached: bool,
}

impl Row {
    fn is_of(&self, kind: &str) -> bool {
        self.kinds.is_empty() || self.kinds.iter().any(|of| of == kind)
    }

    /// The keys and fields that have the same values, unless the link is detached.
    fn same(&self) -> impl Iterator<Item = (&String, &String)> {
        // Those that are names in the one and numbers in the other.
        const IN_WORDS: [&str; 2] = ["attach_type", "flags"];
        let is_plain = !self.kinds.is_empty() && self.keys.len() == self.fields.len();
        let both = self.keys.iter().zip(&self.fields);
        both.filter(move |(key, _)| is_plain && !IN_WORDS.contains(&key.as_str()))
    }
}

/// What is between backticks.
fn quoted(text: &str) -> Vec<String> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.map(str::to_owned).collect()
}

fn rows() -> Result<Vec<Row>> {
    let lines = TABLE.lines().skip(2);
    let lines = lines.take_while(|line| line.starts_with('|'));
    let rows = lines.map(|line| {
        let mut cells = line.split('|').skip(1);
        let mut cell = || cells.next().with_context(|| line.to_owned());
        let (keys, kinds, fields) = (cell()?, cell()?, cell()?);
        // After a semicolon are keys of what is within `funcs`.
        let (kinds, _) = kinds.split_once(';').unwrap_or((kinds, ""));
        Ok(Row {
            keys: quoted(keys),
            kinds: quoted(kinds),
            fields: quoted(fields),
            is_zero_once_detached: keys.contains(": 0 once detached"),
        })
    });
    let rows = rows.collect::<Result<Vec<_>>>()?;
    ensure!(rows.len() > 20, "only {} rows", rows.len());
    Ok(rows)
}

/// The two forms of a link: the description's and the info's.
fn forms(recorded: &Recorded, names: &Names) -> Result<[Map<String, Value>; 2]> {
    let info = bpf_link::LinkInfo::from_bytes(&recorded.info).context("it is no info")?;
    let numbers = |field: &str| match recorded.buffers.get(field) {
        Some(Buffer::Numbers(numbers)) => numbers.as_slice(),
        _ => &[],
    };
    let name = recorded.buffers.values().find_map(|buffer| match buffer {
        Buffer::Name(name) => Some(name.as_bytes()),
        Buffer::Numbers(_) => None,
    });
    let ids = numbers("ids").iter().map(|id| u32::try_from(*id));
    let ids = ids.collect::<Result<Vec<_>, _>>()?;
    let buffers = RecordedBuffers {
        name: name.unwrap_or_default(),
        ids: &ids,
        addresses: numbers("addrs"),
        offsets: numbers("offsets"),
        ref_ctr_offsets: numbers("ref_ctr_offsets"),
        cookies: numbers("cookies"),
    };
    let info = LinkInfoRef::parse(&info, buffers)?;
    let owned = info.into_owned();
    ensure!(owned.view() == info, "{owned:?}");
    let description = LinkDescription::new(info, names);
    let values = [
        serde_json::to_value(description)?,
        serde_json::to_value(info)?,
    ];
    let [Value::Object(description), Value::Object(info)] = values else {
        anyhow::bail!("not objects");
    };
    Ok([description, info])
}

/// Whether a value is missing or null.
fn is_nothing(value: Option<&Value>) -> bool {
    value.is_none_or(Value::is_null)
}

#[test]
fn every_key_is_in_the_table() -> Result<()> {
    let (rows, names) = (rows()?, Names::new());
    let mut compared = BTreeSet::new();
    for (series, recorded) in Recorded::all()? {
        let check = || -> Result<BTreeSet<String>> {
            let kind = recorded.kind.as_str();
            let [description, info] = forms(&recorded, &names)?;
            let of_kind = || rows.iter().filter(|row| row.is_of(kind));
            for key in description.keys() {
                let mut rows = of_kind();
                ensure!(rows.any(|row| row.keys.contains(key)), "the key {key}");
            }
            for field in info.keys() {
                let mut rows = of_kind();
                ensure!(
                    rows.any(|row| row.fields.contains(field)),
                    "the field {field}"
                );
            }
            let mut compared = BTreeSet::new();
            let is_detached = recorded.name.ends_with("-detached");
            for row in of_kind() {
                for (key, field) in row.same() {
                    let (one, other) = (description.get(key), info.get(field));
                    let is_same = if is_nothing(other) && is_detached && row.is_zero_once_detached {
                        one == Some(&json!(0))
                    } else {
                        one == other || is_nothing(one) && is_nothing(other)
                    };
                    ensure!(is_same, "{key}: {one:?}, {other:?}");
                    compared.insert(format!("{kind} {key}"));
                }
            }
            Ok(compared)
        };
        compared.extend(check().with_context(|| format!("Linux {series}, {}", recorded.name))?);
    }
    ensure!(compared.len() > 12, "{compared:?}");
    Ok(())
}

/// No row is about what no kernel says, of none of its kinds.
#[test]
fn every_key_of_the_table_is_one() -> Result<()> {
    // No function was missed.
    const NEVER_RECORDED: [(&str, &str); 2] =
        [("kprobe_multi", "missed"), ("perf_event", "missed")];
    // They come from programs, types and event sources of the machines that were recorded. This
    // one may have some with the same numbers.
    const NOT_HERE: [(&str, &str); 6] = [
        ("perf_event", "event_name"),
        ("perf_event", "event_source"),
        ("tracing", "func"),
        ("tracing", "module"),
        ("tracing", "prog_type"),
        ("tracing", "target_prog_name"),
    ];
    let names = Names::new();
    let mut seen = BTreeSet::new();
    for (_, recorded) in Recorded::all()? {
        let [description, _] = forms(&recorded, &names)?;
        let keys = description.into_iter().map(|(key, _)| key);
        seen.extend(keys.map(|key| (recorded.kind.clone(), key)));
    }
    let rows = rows()?;
    let mut told = BTreeSet::new();
    for row in &rows {
        for kind in &row.kinds {
            told.extend(row.keys.iter().map(|key| (kind.as_str(), key.as_str())));
        }
    }
    ensure!(NOT_HERE.iter().all(|one| told.contains(one)), "{told:?}");
    let is_seen =
        |(kind, key): &(&str, &str)| seen.contains(&((*kind).to_owned(), (*key).to_owned()));
    let unseen = told
        .into_iter()
        .filter(|told| !is_seen(told) && !NOT_HERE.contains(told));
    assert_eq!(unseen.collect::<BTreeSet<_>>(), NEVER_RECORDED.into());
    Ok(())
}
