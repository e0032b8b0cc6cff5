//! What is shown of the device that a link is on.

use bpf_link_typed::inspect::LinkDevice;
use serde::ser::SerializeMap;

use crate::json::values::name;
use crate::text::{DETACHED, UNKNOWN, lossy};
use crate::view::View;

pub(super) fn keys<M: SerializeMap>(map: &mut M, view: &View<'_>) -> Result<(), M::Error> {
    let device = view.names.device(&view.info).unwrap_or(LinkDevice::Gone);
    let (found, index) = match &device {
        LinkDevice::Here { index, name }
        | LinkDevice::Elsewhere {
            index,
            name: Some(name),
            ..
        } => (name.to_bytes(), *index),
        LinkDevice::Elsewhere { index, .. } | LinkDevice::Unknown { index } => {
            (UNKNOWN.as_bytes(), *index)
        }
        _ => (DETACHED.as_bytes(), 0),
    };
    name(map, "devname", found)?;
    map.serialize_entry("ifindex", &index)
}

pub(super) fn words(view: &View<'_>) -> String {
    match view.names.device(&view.info) {
        Some(LinkDevice::Here { index, name }) => format!("{} ({index})", lossy(&name)),
        Some(LinkDevice::Elsewhere { index, name, netns }) => {
            let device = match name {
                Some(name) => format!("{} ({index})", lossy(&name)),
                None => format!("device {index} (name unknown)"),
            };
            match view.names.netns(netns) {
                Some(path) => format!("{device} in {}", path.to_string_lossy()),
                None => format!("{device} in netns {netns}"),
            }
        }
        Some(LinkDevice::Unknown { index }) => format!("device {index} (name unknown)"),
        _ => DETACHED.to_owned(),
    }
}
