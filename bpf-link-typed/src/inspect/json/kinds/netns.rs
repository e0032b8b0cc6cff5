//! The keys of a netns link.

use serde::ser::SerializeMap;

use crate::inspect::description::LinkDescription;
use crate::inspect::json::values::NameOrNumber;
use crate::kinds::NetnsInfo;

pub(super) fn keys<M: SerializeMap>(
    map: &mut M,
    _link: &LinkDescription<'_>,
    info: &NetnsInfo,
) -> Result<(), M::Error> {
    map.serialize_entry("netns_ino", &info.netns_ino.unwrap_or(0))?;
    map.serialize_entry(
        "attach_type",
        &NameOrNumber::from(info.attach_type.attach_type()),
    )
}
