//! What is shown of a netkit link.

use bpf_link_typed::NetkitInfo;
use serde::ser::SerializeMap;

use super::device;
use crate::json::values::NameOrNumber;
use crate::view::View;

pub(super) fn keys<M: SerializeMap>(
    map: &mut M,
    view: &View<'_>,
    info: &NetkitInfo,
) -> Result<(), M::Error> {
    device::keys(map, view)?;
    map.serialize_entry(
        "attach_type",
        &NameOrNumber::from(info.attach_type.attach_type()),
    )
}

pub(super) fn attached_to(view: &View<'_>, info: &NetkitInfo) -> String {
    format!("{} {}", info.attach_type, device::words(view))
}
