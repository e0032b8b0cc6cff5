//! What is shown of the device that a link is on.

use serde::ser::SerializeMap;

use crate::resolve::Device;
use crate::text::{DETACHED, UNKNOWN};
use crate::view::View;

pub(super) fn keys<M: SerializeMap>(map: &mut M, view: &View<'_>) -> Result<(), M::Error> {
    let device = view.resolver.device(&view.info).unwrap_or(Device::Gone);
    let (name, index) = match &device {
        Device::Named { index, name } => (&**name, *index),
        Device::Unknown { index } => ("(unknown)", *index),
        Device::Gone => ("(detached)", 0),
    };
    map.serialize_entry("devname", name)?;
    map.serialize_entry("ifindex", &index)
}

pub(super) fn words(view: &View<'_>) -> String {
    match view.resolver.device(&view.info) {
        Some(Device::Named { index, name }) => format!("{name} ({index})"),
        Some(Device::Unknown { index }) => format!("{UNKNOWN} ({index})"),
        Some(Device::Gone) | None => DETACHED.to_owned(),
    }
}
