//! What is shown of a `struct_ops` link.

use bpf_link_typed::StructOpsInfo;
use serde::ser::SerializeMap;

use crate::text::{DETACHED, map};
use crate::view::View;

pub(super) fn keys<M: SerializeMap>(
    map: &mut M,
    _view: &View<'_>,
    info: &StructOpsInfo,
) -> Result<(), M::Error> {
    map.serialize_entry("map_id", &info.map_id.map_or(0, u32::from))
}

pub(super) fn attached_to(view: &View<'_>, info: &StructOpsInfo) -> String {
    info.map_id
        .map_or_else(|| DETACHED.to_owned(), |id| map(view, id))
}
