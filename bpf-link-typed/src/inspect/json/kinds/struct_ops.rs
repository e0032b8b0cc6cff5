//! The keys of a `struct_ops` link.

use serde::ser::SerializeMap;

use crate::inspect::description::LinkDescription;
use crate::kinds::StructOpsInfo;

pub(super) fn keys<M: SerializeMap>(
    map: &mut M,
    _link: &LinkDescription<'_>,
    info: &StructOpsInfo,
) -> Result<(), M::Error> {
    map.serialize_entry("map_id", &info.map_id.map_or(0, u32::from))
}
