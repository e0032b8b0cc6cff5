//! The keys of a `uprobe_multi` link.

use bpf_link::UprobeMultiFlags;
use serde::ser::SerializeMap;

use crate::inspect::description::LinkDescription;
use crate::inspect::json::functions::UprobePlaces;
use crate::inspect::json::values::{entry, name_if_any};
use crate::kinds::UprobeMultiInfoRef;

pub(super) fn keys<M: SerializeMap>(
    map: &mut M,
    _link: &LinkDescription<'_>,
    info: &UprobeMultiInfoRef<'_>,
) -> Result<(), M::Error> {
    let is_return = info
        .flags
        .map(|flags| flags.contains(UprobeMultiFlags::RETURN));
    entry(map, "retprobe", is_return)?;
    name_if_any(map, "path", info.path)?;
    entry(map, "func_cnt", info.count)?;
    entry(map, "pid", info.pid)?;
    entry(map, "funcs", info.count.map(|_| UprobePlaces(info)))
}
