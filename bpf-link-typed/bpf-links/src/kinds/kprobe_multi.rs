//! What is shown of a `kprobe_multi` link.

use bpf_link_typed::{Hideable, KprobeMultiFlags, KprobeMultiInfoRef};
use serde::ser::SerializeMap;

use crate::json::functions::KprobeFunctions;
use crate::json::values::entry;
use crate::text::{NAMED, address_name, functions};
use crate::view::View;

pub(super) fn keys<M: SerializeMap>(
    map: &mut M,
    view: &View<'_>,
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
        info.count.map(|_| KprobeFunctions::new(view, info)),
    )
}

pub(super) fn attached_to(view: &View<'_>, info: &KprobeMultiInfoRef<'_>) -> String {
    let is_return = info
        .flags
        .is_some_and(|flags| flags.contains(KprobeMultiFlags::RETURN));
    let addresses = info.addresses.and_then(Hideable::visible);
    let names = addresses.unwrap_or_default().iter().take(NAMED);
    let names = names.map(|address| address_name(view, *address)).collect();
    functions(info.count, is_return, names)
}
