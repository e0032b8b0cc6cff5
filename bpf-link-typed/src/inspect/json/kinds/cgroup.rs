//! The keys of a cgroup link.

use serde::ser::SerializeMap;

use crate::inspect::description::LinkDescription;
use crate::inspect::json::values::NameOrNumber;
use crate::kinds::CgroupInfo;

pub(super) fn keys<M: SerializeMap>(
    map: &mut M,
    _link: &LinkDescription<'_>,
    info: &CgroupInfo,
) -> Result<(), M::Error> {
    map.serialize_entry("cgroup_id", &info.cgroup_id.unwrap_or(0))?;
    map.serialize_entry(
        "attach_type",
        &NameOrNumber::from(info.attach_type.attach_type()),
    )
}
