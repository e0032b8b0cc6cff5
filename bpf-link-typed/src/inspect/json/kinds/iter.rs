//! The keys of an iter link.

use bpf_link::IterTarget;
use serde::ser::SerializeMap;

use crate::inspect::description::LinkDescription;
use crate::inspect::json::values::{NameOrNumber, name_if_any};
use crate::kinds::IterInfoRef;

pub(super) fn keys<M: SerializeMap>(
    map: &mut M,
    _link: &LinkDescription<'_>,
    info: &IterInfoRef<'_>,
) -> Result<(), M::Error> {
    name_if_any(map, "target_name", info.target_name)?;
    match info.target {
        IterTarget::Map(id) => map.serialize_entry("map_id", &id.get()),
        IterTarget::Cgroup { cgroup_id, order } => {
            map.serialize_entry("cgroup_id", &cgroup_id)?;
            map.serialize_entry("order", &NameOrNumber(order.name(), order.as_raw()))
        }
        IterTarget::Tid(tid) => map.serialize_entry("tid", &tid),
        IterTarget::Pid(pid) => map.serialize_entry("pid", &pid),
        _ => Ok(()),
    }
}
