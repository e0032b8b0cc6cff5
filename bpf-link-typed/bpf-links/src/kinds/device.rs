//! What is shown of the device that a link is on.

use serde::ser::SerializeMap;

use crate::json::values::name;
use crate::resolve::Device;
use crate::text::{DETACHED, UNKNOWN, lossy};
use crate::view::View;

pub(super) fn keys<M: SerializeMap>(map: &mut M, view: &View<'_>) -> Result<(), M::Error> {
    let device = view.resolver.device(&view.info).unwrap_or(Device::Gone);
    let (found, index) = match &device {
        Device::Named { index, name } => (name.to_bytes(), *index),
        Device::Unknown { index } => (UNKNOWN.as_bytes(), *index),
        Device::Gone => (DETACHED.as_bytes(), 0),
    };
    name(map, "devname", found)?;
    map.serialize_entry("ifindex", &index)
}

pub(super) fn words(view: &View<'_>) -> String {
    match view.resolver.device(&view.info) {
        Some(Device::Named { index, name }) => format!("{} ({index})", lossy(&name)),
        Some(Device::Unknown { index }) => format!("device {index} (name unknown)"),
        Some(Device::Gone) | None => DETACHED.to_owned(),
    }
}
