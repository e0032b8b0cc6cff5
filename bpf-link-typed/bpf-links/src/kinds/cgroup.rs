//! What is shown of a cgroup link.

use bpf_link_typed::CgroupInfo;
use serde::ser::SerializeMap;

use crate::json::values::NameOrNumber;
use crate::text::{DETACHED, cgroup};
use crate::view::View;

pub(super) fn keys<M: SerializeMap>(
    map: &mut M,
    _view: &View<'_>,
    info: &CgroupInfo,
) -> Result<(), M::Error> {
    map.serialize_entry("cgroup_id", &info.cgroup_id.unwrap_or(0))?;
    map.serialize_entry(
        "attach_type",
        &NameOrNumber::from(info.attach_type.attach_type()),
    )
}

pub(super) fn attached_to(view: &View<'_>, info: &CgroupInfo) -> String {
    format!(
        "{} {}",
        info.attach_type,
        info.cgroup_id
            .map_or_else(|| DETACHED.to_owned(), |id| cgroup(view, id))
    )
}
