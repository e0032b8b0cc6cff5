//! What is shown of a sockmap link.

use bpf_link_typed::SockmapInfo;
use serde::ser::SerializeMap;

use crate::json::values::NameOrNumber;
use crate::text::{DETACHED, map};
use crate::view::View;

pub(super) fn keys<M: SerializeMap>(
    map: &mut M,
    _view: &View<'_>,
    info: &SockmapInfo,
) -> Result<(), M::Error> {
    map.serialize_entry("map_id", &info.map_id.map_or(0, u32::from))?;
    map.serialize_entry(
        "attach_type",
        &NameOrNumber::from(info.attach_type.attach_type()),
    )
}

pub(super) fn attached_to(view: &View<'_>, info: &SockmapInfo) -> String {
    format!(
        "{} {}",
        info.attach_type,
        info.map_id
            .map_or_else(|| DETACHED.to_owned(), |id| map(view, id))
    )
}
