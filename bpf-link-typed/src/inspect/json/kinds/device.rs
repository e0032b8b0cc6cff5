//! What is shown of the device that a link is on.

use serde::ser::SerializeMap;

use crate::inspect::description::LinkDescription;
use crate::inspect::json::values::name;
use crate::inspect::names::LinkDevice;

pub(super) fn keys<M: SerializeMap>(
    map: &mut M,
    link: &LinkDescription<'_>,
) -> Result<(), M::Error> {
    let device = link.device().unwrap_or(LinkDevice::Gone);
    let (found, index) = match &device {
        LinkDevice::Here { index, name }
        | LinkDevice::Elsewhere {
            index,
            name: Some(name),
            ..
        } => (name.to_bytes(), *index),
        LinkDevice::Elsewhere { index, .. } | LinkDevice::Unknown { index } => {
            (&b"(unknown)"[..], *index)
        }
        _ => (&b"(detached)"[..], 0),
    };
    name(map, "devname", found)?;
    map.serialize_entry("ifindex", &index)
}
