//! What is shown of a netfilter link.

use bpf_link_typed::{NetfilterFlags, NetfilterInfo};
use serde::ser::SerializeMap;

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
    let (family, hook) = (info.family, info.hook);
    let hook = hook
        .name_in(family)
        .map_or_else(|| format!("hook {}", hook.as_raw()), str::to_owned);
    let family = family
        .name()
        .map_or_else(|| format!("family {}", family.as_raw()), str::to_owned);
    let defrag = if info.flags.contains(NetfilterFlags::IP_DEFRAG) {
        ", with defragmentation"
    } else {
        ""
    };
    format!("{family} {hook}, priority {}{defrag}", info.priority)
}
