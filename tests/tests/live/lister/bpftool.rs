//! `bpf-links` beside `bpftool`: what both say of a link is the same. The files of the kinds
//! compare a link of every sort.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use bpf_link::{AttachType, LinkKind, RawLink};
use serde_json::{Map, Value};

use crate::harness::Need;
use crate::lister::run;

/// What a comparison needs.
pub(crate) const NEEDS: &[Need] = &[Need::Lister, Need::Command("bpftool")];

/// The JSON that `bpftool` writes. It reports failure even when it has succeeded, so only its
/// output counts.
pub(crate) fn output(arguments: &[&str]) -> Result<String> {
    let ran = Command::new("bpftool")
        .arg("-j")
        .args(arguments)
        .stdin(Stdio::null())
        .output()?;
    Ok(String::from_utf8(ran.stdout)?)
}

/// Holds what the two say of a link against each other.
pub(crate) fn compare(link: &RawLink) -> Result<()> {
    let id = link.id()?.to_string();
    let theirs = output(&["-f", "link", "show", "id", &id])?;
    let ours = run(&["show", &id, "--json", "--pins"])?.well()?;
    let compared = same_values(&theirs, &ours).and_then(|()| same_order(&theirs, &ours));
    compared.with_context(|| format!("bpftool: {theirs}bpf-links: {ours}"))
}

fn same_values(theirs: &str, ours: &str) -> Result<()> {
    let theirs: Map<String, Value> = serde_json::from_str(theirs)?;
    let ours: Map<String, Value> = serde_json::from_str(ours)?;
    for key in ["id", "type"] {
        ensure!(theirs.contains_key(key), "bpftool has no {key}");
    }
    for (key, value) in &theirs {
        match ours.get(key) {
            Some(our_value) => {
                let value = named(key, value);
                ensure!(is_same(&value, our_value), "{key}: {value}, {our_value}");
            }
            // Who holds it was not asked for; and what the kernel does not say it has as a nought.
            None => ensure!(key == "pids" || is_nought(value), "no {key}: {value}"),
        }
    }
    Ok(())
}

/// Whether what is in both is the same. We may say more.
fn is_same(theirs: &Value, ours: &Value) -> bool {
    match (theirs, ours) {
        (Value::Array(theirs), Value::Array(ours)) => {
            let mut both = theirs.iter().zip(ours);
            theirs.len() == ours.len() && both.all(|(theirs, ours)| is_same(theirs, ours))
        }
        (Value::Object(theirs), Value::Object(ours)) => theirs.iter().all(|(key, value)| {
            ours.get(key)
                .is_some_and(|our_value| is_same(value, our_value))
        }),
        (theirs, ours) => theirs == ours,
    }
}

/// The name of what an older bpftool has only the number of.
fn named(key: &str, value: &Value) -> Value {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    let name = number.and_then(|number| match key {
        "type" => LinkKind::from_raw(number).name(),
        "attach_type" => AttachType::from_raw(number).name(),
        _ => None,
    });
    name.map_or_else(|| value.clone(), Value::from)
}

fn is_nought(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(value) => value.as_u64() == Some(0),
        Value::String(value) => value.is_empty(),
        Value::Array(value) => value.is_empty(),
        Value::Object(value) => value.is_empty(),
    }
}

/// The keys that both have are in the same order.
fn same_order(theirs: &str, ours: &str) -> Result<()> {
    let keys: Map<String, Value> = serde_json::from_str(theirs)?;
    let order = |text: &str| {
        let places = keys.keys().filter(|key| key.as_str() != "pids");
        let mut places: Vec<_> = places
            .filter_map(|key| {
                let quoted = format!("\"{key}\":");
                ours.contains(&quoted).then_some(())?;
                Some((text.find(&quoted)?, key.clone()))
            })
            .collect();
        places.sort();
        places.into_iter().map(|(_, key)| key).collect::<Vec<_>>()
    };
    let (theirs, ours) = (order(theirs), order(ours));
    ensure!(
        theirs == ours,
        "the order of the keys: {theirs:?}, {ours:?}"
    );
    Ok(())
}
