//! What is shown of a netns link.

use bpf_link_typed::NetnsInfo;
use serde::ser::SerializeMap;

use crate::json::values::NameOrNumber;
use crate::text::DETACHED;
use crate::view::View;

pub(super) fn keys<M: SerializeMap>(
    map: &mut M,
    _view: &View<'_>,
    info: &NetnsInfo,
) -> Result<(), M::Error> {
    map.serialize_entry("netns_ino", &info.netns_ino.unwrap_or(0))?;
    map.serialize_entry(
        "attach_type",
        &NameOrNumber::from(info.attach_type.attach_type()),
    )
}

pub(super) fn attached_to(_view: &View<'_>, info: &NetnsInfo) -> String {
    format!(
        "{} {}",
        info.attach_type,
        info.netns_ino
            .map_or_else(|| DETACHED.to_owned(), |inode| format!("netns {inode}"))
    )
}
