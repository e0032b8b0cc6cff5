//! What is shown of the device that a link is on.

use bpf_link_typed::inspect::{LinkDescription, LinkDevice};

use crate::text::{DETACHED, lossy};

pub(super) fn words(link: &LinkDescription<'_>) -> String {
    let device = link.device().unwrap_or(LinkDevice::Gone);
    let named = match (device.index(), device.name()) {
        (None, _) => return DETACHED.to_owned(),
        (Some(index), Some(name)) => format!("{} ({index})", lossy(name)),
        (Some(index), None) => format!("device {index} (name unknown)"),
    };
    let Some(netns) = device.other_netns() else {
        return named;
    };
    match link.names.netns(netns) {
        Some(path) => format!("{named} in {}", path.to_string_lossy()),
        None => format!("{named} in netns {netns}"),
    }
}
