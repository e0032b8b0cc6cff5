//! What is shown of an iter link.

use bpf_link_typed::{IterInfoRef, IterTarget};
use serde::ser::SerializeMap;

use crate::json::values::{NameOrNumber, name_if_any};
use crate::text::{cgroup, lossy, map, or_unknown};
use crate::view::View;

pub(super) fn keys<M: SerializeMap>(
    map: &mut M,
    _view: &View<'_>,
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

pub(super) fn attached_to(view: &View<'_>, info: &IterInfoRef<'_>) -> String {
    let name = or_unknown(info.target_name.map(lossy));
    match info.target {
        IterTarget::Map(id) => format!("{name} of {}", map(view, id)),
        IterTarget::Cgroup { cgroup_id, order } => {
            format!("{name} {} {order}", cgroup(view, cgroup_id))
        }
        IterTarget::Tid(tid) => format!("{name} of thread {tid}"),
        IterTarget::Pid(pid) => format!("{name} of process {pid}"),
        _ => name,
    }
}
