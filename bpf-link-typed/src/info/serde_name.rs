//! Names of the kernel in a serialized form: a string, or an array of bytes where the name is not
//! UTF-8.

use std::ffi::{CStr, CString};
use std::ops::Deref;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Deserialize)]
#[serde(untagged)]
enum Name {
    Text(String),
    Bytes(Vec<u8>),
}

#[expect(
    clippy::ref_option,
    reason = "serde calls it with a reference to the field"
)]
pub(crate) fn serialize<S: Serializer>(
    name: &Option<impl Deref<Target = CStr>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match name.as_deref().map(|name| (name.to_str(), name)) {
        None => serializer.serialize_none(),
        Some((Ok(text), _)) => serializer.serialize_some(text),
        Some((Err(_), name)) => name.to_bytes().serialize(serializer),
    }
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<CString>, D::Error> {
    let bytes = match Option::<Name>::deserialize(deserializer)? {
        None => return Ok(None),
        Some(Name::Text(text)) => text.into_bytes(),
        Some(Name::Bytes(bytes)) => bytes,
    };
    CString::new(bytes).map(Some).map_err(D::Error::custom)
}
