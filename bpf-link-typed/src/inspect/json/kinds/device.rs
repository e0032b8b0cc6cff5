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
    let found = match (device.index(), device.name()) {
        (None, _) => &b"(detached)"[..],
        (_, None) => &b"(unknown)"[..],
        (_, Some(name)) => name.to_bytes(),
    };
    name(map, "devname", found)?;
    map.serialize_entry("ifindex", &device.index().unwrap_or(0))
}
