//! What is different between the interface of the bindings and that of a kernel, and what only one
//! of them has.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Abi, Aggregate, Enum, Field, Value};

/// The outcome of a comparison.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// How many fields and constants both have.
    pub compared: usize,
    /// What both have, and have differently.
    pub differences: Vec<String>,
    /// What the kernel has and the bindings do not have.
    pub missing: Vec<Missing>,
    /// What the bindings have and the kernel does not have, as it is older.
    pub newer: Vec<String>,
}

/// A field or a constant that the bindings do not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The structure, union or enumeration and what leads to the field, as
    /// `bpf_link_info.xdp.ifindex` or `bpf_cmd.BPF_LINK_CREATE`.
    pub path: String,
    /// Where it is, or what it is.
    pub what: String,
    /// What the bindings have in its place and the kernel does not: then it may be the same under
    /// another name.
    pub other_name: Option<String>,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.what)?;
        match &self.other_name {
            Some(name) => write!(f, ", perhaps another name of {name}"),
            None => Ok(()),
        }
    }
}

/// What is listed of an outcome. Differences come first.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            compared,
            differences,
            missing,
            newer,
        } = self;
        writeln!(f, "{compared} fields and constants compared")?;
        for difference in differences {
            writeln!(f, "different: {difference}")?;
        }
        for missing in missing {
            writeln!(f, "not in the bindings: {missing}")?;
        }
        if !newer.is_empty() {
            writeln!(f, "not in the kernel: {}", newer.join(", "))?;
        }
        Ok(())
    }
}

impl Abi {
    /// Compares this interface, which is that of the bindings, with a kernel's.
    #[must_use]
    pub fn compare(&self, kernel: &Self) -> Comparison {
        let mut comparison = Comparison::default();
        for (name, ours) in &self.types {
            match kernel.types.get(name) {
                Some(theirs) => comparison.aggregate(name, ours, theirs),
                None => comparison.newer.push(name.clone()),
            }
        }
        comparison.enums(&self.enums, &kernel.enums);
        comparison
    }
}

impl Comparison {
    fn aggregate(&mut self, name: &str, ours: &Aggregate, theirs: &Aggregate) {
        let (mine, yours) = (named(&ours.fields), named(&theirs.fields));
        for (path, field) in &mine {
            let full = format!("{name}.{path}");
            let Some(other) = yours.get(path) else {
                if !is_inside_another(path, |outer| {
                    !yours.contains_key(outer) && mine.contains_key(outer)
                }) {
                    self.newer.push(full);
                }
                continue;
            };
            self.compared += 1;
            if let Some(difference) = difference(field, other) {
                self.differences.push(format!("{full}: {difference}"));
            }
        }
        for (path, field) in &yours {
            let is_missing = |path: &str| yours.contains_key(path) && !mine.contains_key(path);
            if !is_missing(path) || is_inside_another(path, is_missing) {
                continue;
            }
            let there = mine.iter().find(|(path, other)| {
                other.offset == field.offset
                    && other.size == field.size
                    && !yours.contains_key(*path)
            });
            self.missing.push(Missing {
                path: format!("{name}.{path}"),
                what: place(field),
                other_name: there.map(|(path, _)| (*path).to_owned()),
            });
        }
        self.sizes(name, ours, theirs);
    }

    /// What has the same fields has the same size.
    fn sizes(&mut self, name: &str, ours: &Aggregate, theirs: &Aggregate) {
        let mut aggregates = vec![(String::new(), ours.size, theirs.size)];
        for (path, field) in &ours.fields {
            match theirs.fields.get(path) {
                Some(other) if field.is_aggregate => {
                    aggregates.push((format!("{path}."), field.size / 8, other.size / 8));
                }
                _ => {}
            }
        }
        for (prefix, mine, yours) in aggregates {
            let inside = |fields: &BTreeMap<String, Field>| -> BTreeSet<String> {
                let names = fields.keys().filter(|path| path.starts_with(&prefix));
                names.cloned().collect()
            };
            if mine != yours && inside(&ours.fields) == inside(&theirs.fields) {
                let name = format!("{name}.{prefix}");
                self.differences.push(format!(
                    "{}: {mine} bytes in the bindings, {yours} in the kernel",
                    name.trim_end_matches('.')
                ));
            }
        }
    }

    fn enums(&mut self, ours: &[Enum], theirs: &[Enum]) {
        for mine in ours {
            let yours = theirs
                .iter()
                .find(|yours| !yours.name.is_empty() && yours.name == mine.name);
            for (name, value) in &mine.values {
                let found: Vec<&Enum> = match yours {
                    Some(yours) => vec![yours],
                    // It may be in an enumeration of another name, or of none.
                    None => theirs.iter().collect(),
                };
                let found = found
                    .into_iter()
                    .filter(|yours| yours.values.contains_key(name));
                self.constant(mine, name, *value, &found.collect::<Vec<_>>());
            }
        }
        for yours in theirs {
            self.missing_constants(ours, yours);
        }
    }

    /// Compares a constant with what it is in the enumerations of the kernel that have it.
    fn constant(&mut self, mine: &Enum, name: &str, value: Value, theirs: &[&Enum]) {
        let full = full_name(mine, name);
        let mut found = theirs
            .iter()
            .filter_map(|yours| Some((*yours, *yours.values.get(name)?)));
        let Some((yours, other)) = found.next() else {
            // Most constants that are of no enumeration are macros, which a kernel's types do not
            // have.
            if !mine.name.is_empty() {
                self.newer.push(full);
            }
            return;
        };
        self.compared += 1;
        let is_same = other.agrees_with(value) || found.any(|(_, other)| other.agrees_with(value));
        // One that says how many others there are is another one where there are other ones.
        let is_right = match counted_by(name) {
            Some(counted) => is_same || counted_in(mine, counted) != counted_in(yours, counted),
            None => is_same,
        };
        if !is_right {
            self.differences.push(format!(
                "{full}: {value} in the bindings, {other} in the kernel"
            ));
        }
    }

    fn missing_constants(&mut self, ours: &[Enum], yours: &Enum) {
        let has = |name: &str| ours.iter().any(|mine| mine.values.contains_key(name));
        for (name, value) in &yours.values {
            if has(name) || counted_by(name).is_some() {
                continue;
            }
            let mine = ours
                .iter()
                .find(|mine| !mine.name.is_empty() && mine.name == yours.name);
            let there = mine.and_then(|mine| {
                mine.values.iter().find(|(name, other)| {
                    other.agrees_with(*value)
                        && !yours.values.contains_key(*name)
                        && counted_by(name).is_none()
                })
            });
            self.missing.push(Missing {
                path: full_name(yours, name),
                what: value.to_string(),
                other_name: there.map(|(name, _)| name.clone()),
            });
        }
    }
}

/// The fields but those that are there to be used by a later kernel, and are smaller then, or gone.
fn named(fields: &BTreeMap<String, Field>) -> BTreeMap<&str, &Field> {
    fields
        .iter()
        .map(|(path, field)| (path.as_str(), field))
        .filter(|(path, _)| {
            let name = path.rsplit_once('.').map_or(*path, |(_, name)| name);
            !name.starts_with("__reserved")
        })
        .collect()
}

fn difference(ours: &Field, theirs: &Field) -> Option<String> {
    let is_same = ours.offset == theirs.offset
        && ours.is_aggregate == theirs.is_aggregate
        // The size of a structure is another question: later kernels have more in it.
        && (ours.is_aggregate || ours.size == theirs.size);
    (!is_same).then(|| {
        format!(
            "{} in the bindings, {} in the kernel",
            place(ours),
            place(theirs)
        )
    })
}

/// Where a field is, in words.
fn place(field: &Field) -> String {
    let Field {
        offset,
        size,
        is_aggregate,
    } = field;
    let what = if *is_aggregate {
        "structure or union of "
    } else {
        ""
    };
    if offset % 8 == 0 && size % 8 == 0 {
        format!("{what}{} bytes at {}", size / 8, offset / 8)
    } else {
        format!("{what}{size} bits at bit {offset}")
    }
}

/// Whether this is so for anything that the path leads through.
fn is_inside_another(path: &str, is: impl Fn(&str) -> bool) -> bool {
    path.match_indices('.').any(|(at, _)| is(&path[..at]))
}

/// What the names begin with of those constants of which this one is the number, or the last one;
/// none if it is a value of its own.
fn counted_by(name: &str) -> Option<&str> {
    let name = name.trim_start_matches('_');
    if let Some(counted) = name.strip_prefix("MAX_") {
        return Some(counted);
    }
    if let Some(counted) = name.strip_prefix("NR_") {
        return counted.strip_suffix('S');
    }
    ["_MAX", "_MAX_ID", "_MAX_STATES", "_NUMHOOKS", "_NUMPROTO"]
        .into_iter()
        .find_map(|suffix| name.strip_suffix(suffix))
}

/// Those constants in an enumeration; all, if it has a name.
fn counted_in<'a>(of: &'a Enum, counted: &str) -> BTreeSet<&'a str> {
    of.values
        .keys()
        .map(String::as_str)
        .filter(|name| counted_by(name).is_none())
        .filter(|name| !of.name.is_empty() || name.starts_with(counted))
        .collect()
}

fn full_name(of: &Enum, name: &str) -> String {
    let of = if of.name.is_empty() { "enum" } else { &of.name };
    format!("{of}.{name}")
}
