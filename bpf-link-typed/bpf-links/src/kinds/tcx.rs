//! What is shown of a tcx link.

use bpf_link_typed::TcxInfo;
use serde::ser::SerializeMap;

use super::device;
use crate::json::values::NameOrNumber;
use crate::view::View;

pub(super) fn keys<M: SerializeMap>(
    map: &mut M,
    view: &View<'_>,
    info: &TcxInfo,
) -> Result<(), M::Error> {
    device::keys(map, view)?;
    map.serialize_entry(
        "attach_type",
        &NameOrNumber::from(info.attach_type.attach_type()),
    )
}

pub(super) fn attached_to(view: &View<'_>, info: &TcxInfo) -> String {
    format!("{} {}", info.attach_type, device::words(view))
}
