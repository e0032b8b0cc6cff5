//! What is shown of a `uprobe_multi` link.

use bpf_link_typed::inspect::LinkDescription;
use bpf_link_typed::{UprobeMultiFlags, UprobeMultiInfoRef};

use crate::text::{UNKNOWN, lossy, or_unknown};

pub(super) fn attached_to(_view: &LinkDescription<'_>, info: &UprobeMultiInfoRef<'_>) -> String {
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
