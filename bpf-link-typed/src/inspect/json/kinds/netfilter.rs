//! The keys of a netfilter link.

use serde::ser::SerializeMap;

use crate::inspect::description::LinkDescription;
use crate::kinds::NetfilterInfo;

pub(super) fn keys<M: SerializeMap>(
    map: &mut M,
    _link: &LinkDescription<'_>,
    info: &NetfilterInfo,
) -> Result<(), M::Error> {
    map.serialize_entry("pf", &info.family.as_raw())?;
    map.serialize_entry("hook", &info.hook.as_raw())?;
    map.serialize_entry("prio", &info.priority)?;
    map.serialize_entry("flags", &info.flags.bits())
}
