//! The keys of a sockmap link.

use serde::ser::SerializeMap;

use crate::inspect::description::LinkDescription;
use crate::inspect::json::values::NameOrNumber;
use crate::kinds::SockmapInfo;

pub(super) fn keys<M: SerializeMap>(
    map: &mut M,
    _link: &LinkDescription<'_>,
    info: &SockmapInfo,
) -> Result<(), M::Error> {
    map.serialize_entry("map_id", &info.map_id.map_or(0, u32::from))?;
    map.serialize_entry(
        "attach_type",
        &NameOrNumber::from(info.attach_type.attach_type()),
    )
}
