//! What is shown of a `uprobe_multi` link.

use bpf_link_typed::{UprobeMultiFlags, UprobeMultiInfoRef};
use serde::ser::SerializeMap;

use crate::json::functions::UprobePlaces;
use crate::json::values::{entry, name_if_any};
use crate::text::{UNKNOWN, lossy, or_unknown};
use crate::view::View;

pub(super) fn keys<M: SerializeMap>(
    map: &mut M,
    _view: &View<'_>,
    info: &UprobeMultiInfoRef<'_>,
) -> Result<(), M::Error> {
    let is_return = info
        .flags
        .map(|flags| flags.contains(UprobeMultiFlags::RETURN));
    entry(map, "retprobe", is_return)?;
    name_if_any(map, "path", info.path)?;
    entry(map, "func_cnt", info.count)?;
    entry(map, "pid", info.pid)?;
    entry(map, "funcs", info.count.map(|_| UprobePlaces(info)))
}

pub(super) fn attached_to(_view: &View<'_>, info: &UprobeMultiInfoRef<'_>) -> String {
    let is_return = info
        .flags
        .is_some_and(|flags| flags.contains(UprobeMultiFlags::RETURN));
    let offsets = match info.count {
        Some(1) => "1 offset".to_owned(),
        Some(count) => format!("{count} offsets"),
        None => return UNKNOWN.to_owned(),
    };
    let at_return = if is_return { ", on return" } else { "" };
    let process = match info.pid {
        Some(pid @ 1..) => format!(", in process {pid}"),
        _ => String::new(),
    };
    let path = or_unknown(info.path.map(lossy));
    format!("{path}: {offsets}{at_return}{process}")
}
