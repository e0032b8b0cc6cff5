//! What is shown of a netfilter link.

use bpf_link_typed::{NetfilterFlags, NetfilterInfo};
use serde::ser::SerializeMap;

use crate::resolve::{family_name, hook_name};
use crate::view::View;

pub(super) fn keys<M: SerializeMap>(
    map: &mut M,
    _view: &View<'_>,
    info: &NetfilterInfo,
) -> Result<(), M::Error> {
    map.serialize_entry("pf", &info.family.as_raw())?;
    map.serialize_entry("hook", &info.hook.as_raw())?;
    map.serialize_entry("prio", &info.priority)?;
    map.serialize_entry("flags", &info.flags.bits())
}

pub(super) fn attached_to(_view: &View<'_>, info: &NetfilterInfo) -> String {
    let family = family_name(info.family.as_raw())
        .map_or_else(|| format!("family {}", info.family.as_raw()), str::to_owned);
    let hook = hook_name(info.family.as_raw(), info.hook.as_raw())
        .map_or_else(|| format!("hook {}", info.hook.as_raw()), str::to_owned);
    let defrag = if info.flags.contains(NetfilterFlags::IP_DEFRAG) {
        ", with defragmentation"
    } else {
        ""
    };
    format!("{family} {hook}, priority {}{defrag}", info.priority)
}
