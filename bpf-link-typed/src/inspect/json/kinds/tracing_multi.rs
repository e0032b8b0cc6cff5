//! The keys of a `tracing_multi` link.

use serde::ser::SerializeMap;

use crate::inspect::description::LinkDescription;
use crate::inspect::json::functions::TracingFunctions;
use crate::inspect::json::values::{NameOrNumber, entry};
use crate::kinds::TracingMultiInfoRef;

pub(super) fn keys<M: SerializeMap>(
    map: &mut M,
    link: &LinkDescription<'_>,
    info: &TracingMultiInfoRef<'_>,
) -> Result<(), M::Error> {
    entry(map, "attach_type", info.attach_type.map(NameOrNumber::from))?;
    entry(map, "func_cnt", info.count)?;
    entry(map, "btf_obj_id", info.btf_obj_id.map(u32::from))?;
    entry(
        map,
        "funcs",
        info.count.map(|_| TracingFunctions { link, info }),
    )
}
