//! The keys of a tracing link.

use serde::ser::SerializeMap;

use crate::inspect::description::LinkDescription;
use crate::inspect::json::values::{NameOrNumber, entry};
use crate::kinds::TracingInfo;

pub(super) fn keys<M: SerializeMap>(
    map: &mut M,
    link: &LinkDescription<'_>,
    info: &TracingInfo,
) -> Result<(), M::Error> {
    let program = info.program_id.and_then(|id| link.names.program(id));
    let program_type = program.map(|program| program.program_type);
    entry(
        map,
        "prog_type",
        program_type.map(|program_type| NameOrNumber(program_type.name(), program_type.as_raw())),
    )?;
    map.serialize_entry(
        "attach_type",
        &NameOrNumber::from(info.attach_type.attach_type()),
    )?;
    entry(map, "target_obj_id", info.target_obj_id)?;
    entry(map, "target_btf_id", info.target_btf_id.map(u32::from))?;
    entry(map, "cookie", info.cookie)
}
