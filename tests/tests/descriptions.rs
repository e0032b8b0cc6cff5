//! The table of the keys that descriptions of links have, held against what kernels have said.
// Those kernels wrote the lowest byte of a number first.
#![cfg(target_endian = "little")]

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
}

impl Row {
    fn is_of(&self, kind: &str) -> bool {
        self.kinds.is_empty() || self.kinds.iter().any(|of| of == kind)
    }

    /// The keys and fields that have the same values.
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
        let mut cell = || cells.next().map(quoted).with_context(|| line.to_owned());
        Ok(Row {
            keys: cell()?,
            kinds: cell()?,
            fields: cell()?,
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

/// What the description has for what the info does not have, or reads 0.
fn is_nothing(value: Option<&Value>) -> bool {
    value.is_none_or(|value| value.is_null() || *value == json!(0))
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
            for (key, field) in of_kind().flat_map(Row::same) {
                let (one, other) = (description.get(key), info.get(field));
                let both_nothing = is_nothing(one) && is_nothing(other);
                ensure!(one == other || both_nothing, "{key}: {one:?}, {other:?}");
                compared.insert(format!("{kind} {key}"));
            }
            Ok(compared)
        };
        compared.extend(check().with_context(|| format!("Linux {series}, {}", recorded.name))?);
    }
    ensure!(compared.len() > 12, "{compared:?}");
    Ok(())
}

/// No row is about what no kernel says.
#[test]
fn every_key_of_the_table_is_one() -> Result<()> {
    // These come from programs and types that are not here; no software clock was recorded, and no
    // function was missed.
    const OTHERS: [&str; 7] = [
        "event_name",
        "event_source",
        "func",
        "missed",
        "module",
        "prog_type",
        "target_prog_name",
    ];
    let names = Names::new();
    let mut seen = BTreeSet::new();
    for (_, recorded) in Recorded::all()? {
        let [description, _] = forms(&recorded, &names)?;
        seen.extend(
            description
                .into_iter()
                .map(|(key, _)| (recorded.kind.clone(), key)),
        );
    }
    let mut unseen = BTreeSet::new();
    for row in rows()?.iter().filter(|row| !row.kinds.is_empty()) {
        for key in &row.keys {
            let is_seen = |kind: &String| seen.contains(&(kind.clone(), key.clone()));
            if !row.kinds.iter().any(is_seen) {
                unseen.insert(key.clone());
            }
        }
    }
    unseen.retain(|key| !OTHERS.contains(&key.as_str()));
    ensure!(unseen.is_empty(), "{unseen:?}");
    Ok(())
}
