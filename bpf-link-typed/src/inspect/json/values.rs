//! The values of keys.

use std::ffi::CStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use bpf_link::AttachType;
use serde::ser::{Serialize, SerializeMap, SerializeSeq as _, Serializer};

use crate::inspect::holders::Holder;

/// A name, or a number where there is no name.
#[derive(Clone, Copy, Debug)]
pub struct NameOrNumber<'a>(pub Option<&'a str>, pub u32);

impl Serialize for NameOrNumber<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(name) => serializer.serialize_str(name),
            None => serializer.serialize_u32(self.1),
        }
    }
}

impl From<AttachType> for NameOrNumber<'_> {
    fn from(attach_type: AttachType) -> Self {
        Self(attach_type.name(), attach_type.as_raw())
    }
}

/// A key for a name, and where the name is not UTF-8, another for its bytes.
///
/// JSON strings are text, so the first key has replacement characters, and the second one, which
/// ends in `_bytes`, hexadecimal digits.
///
/// # Errors
///
/// Those of the serializer.
pub fn name<M: SerializeMap>(
    map: &mut M,
    key: &str,
    name: impl AsRef<[u8]>,
) -> Result<(), M::Error> {
    let bytes = name.as_ref();
    map.serialize_entry(key, &String::from_utf8_lossy(bytes))?;
    if std::str::from_utf8(bytes).is_err() {
        map.serialize_entry(&format!("{key}_bytes"), &Hex(bytes))?;
    }
    Ok(())
}

/// The same, if there is a name.
///
/// # Errors
///
/// Those of the serializer.
pub fn name_if_any<M: SerializeMap>(
    map: &mut M,
    key: &str,
    found: Option<&CStr>,
) -> Result<(), M::Error> {
    match found {
        Some(found) => name(map, key, found.to_bytes()),
        None => Ok(()),
    }
}

/// The same for an array of paths: if one is not UTF-8, the other key has the bytes of all.
///
/// # Errors
///
/// Those of the serializer.
pub fn paths<M: SerializeMap>(map: &mut M, key: &str, paths: &[PathBuf]) -> Result<(), M::Error> {
    map.serialize_entry(
        key,
        &Each(|| paths.iter().map(|path| path.to_string_lossy())),
    )?;
    if paths.iter().any(|path| path.to_str().is_none()) {
        let bytes = || paths.iter().map(|path| Hex(path.as_os_str().as_bytes()));
        map.serialize_entry(&format!("{key}_bytes"), &Each(bytes))?;
    }
    Ok(())
}

/// Bytes as hexadecimal digits, two each.
struct Hex<'a>(&'a [u8]);

impl Serialize for Hex<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Writes what `bpftool` has under `pids`: `pid` and `comm`.
impl Serialize for Holder {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("pid", &self.pid())?;
        name(&mut map, "comm", self.comm().to_bytes())?;
        map.end()
    }
}

/// An array whose entries are made while it is written, so nothing is collected.
#[derive(Clone, Copy, Debug)]
pub struct Each<F>(pub F);

impl<F, I> Serialize for Each<F>
where
    F: Fn() -> I,
    I: Iterator<Item: Serialize>,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(None)?;
        for entry in self.0() {
            sequence.serialize_element(&entry)?;
        }
        sequence.end()
    }
}

/// A key, if there is a value.
///
/// # Errors
///
/// Those of the serializer.
pub fn entry<M: SerializeMap>(
    map: &mut M,
    key: &str,
    value: Option<impl Serialize>,
) -> Result<(), M::Error> {
    match value {
        Some(value) => map.serialize_entry(key, &value),
        None => Ok(()),
    }
}
