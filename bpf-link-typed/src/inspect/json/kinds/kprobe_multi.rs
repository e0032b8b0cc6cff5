//! The keys of a `kprobe_multi` link.

use bpf_link::KprobeMultiFlags;
use serde::ser::SerializeMap;

use crate::inspect::description::LinkDescription;
use crate::inspect::json::functions::KprobeFunctions;
use crate::inspect::json::values::entry;
use crate::kinds::KprobeMultiInfoRef;

pub(super) fn keys<M: SerializeMap>(
    map: &mut M,
    link: &LinkDescription<'_>,
    info: &KprobeMultiInfoRef<'_>,
) -> Result<(), M::Error> {
    let is_return = info
        .flags
        .map(|flags| flags.contains(KprobeMultiFlags::RETURN));
    entry(map, "retprobe", is_return)?;
    entry(map, "func_cnt", info.count)?;
    entry(map, "missed", info.missed)?;
    entry(
        map,
        "funcs",
        info.count.map(|_| KprobeFunctions::new(link, info)),
    )
}
