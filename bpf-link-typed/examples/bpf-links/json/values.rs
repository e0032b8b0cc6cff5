//! The values of a link's keys.

use std::ffi::CStr;
use std::path::Path;

use bpf_link_typed::AttachType;
use serde::ser::{Serialize, SerializeMap, SerializeSeq as _, Serializer};

use crate::holders::Holder;

/// A name, or a number where there is no name.
pub(crate) struct NameOrNumber<'a>(pub(crate) Option<&'a str>, pub(crate) u32);

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

/// A name that need not be UTF-8, as JSON has to be.
pub(crate) struct Name<'a>(pub(crate) &'a CStr);

impl Serialize for Name<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_string_lossy())
    }
}

/// A path that need not be UTF-8.
pub(crate) struct Lossy<'a>(pub(crate) &'a Path);

impl Serialize for Lossy<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_string_lossy())
    }
}

pub(crate) struct Pid<'a>(pub(crate) &'a Holder);

impl Serialize for Pid<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("pid", &self.0.pid)?;
        map.serialize_entry("comm", &self.0.comm)?;
        map.end()
    }
}

/// An array whose entries are made one after the other, so that it takes no memory of its own.
pub(crate) struct Each<F>(pub(crate) F);

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
pub(crate) fn entry<M: SerializeMap>(
    map: &mut M,
    key: &'static str,
    value: Option<impl serde::Serialize>,
) -> Result<(), M::Error> {
    match value {
        Some(value) => map.serialize_entry(key, &value),
        None => Ok(()),
    }
}
