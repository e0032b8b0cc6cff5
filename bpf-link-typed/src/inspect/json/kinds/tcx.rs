//! The keys of a tcx link.

use serde::ser::SerializeMap;

use super::device;
use crate::inspect::description::LinkDescription;
use crate::inspect::json::values::NameOrNumber;
use crate::kinds::TcxInfo;

pub(super) fn keys<M: SerializeMap>(
    map: &mut M,
    link: &LinkDescription<'_>,
    info: &TcxInfo,
) -> Result<(), M::Error> {
    device::keys(map, link)?;
    map.serialize_entry(
        "attach_type",
        &NameOrNumber::from(info.attach_type.attach_type()),
    )
}
