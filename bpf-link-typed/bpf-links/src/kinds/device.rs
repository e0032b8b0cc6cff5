//! What is shown of the device that a link is on.

use bpf_link_typed::inspect::{LinkDescription, LinkDevice};

use crate::text::{DETACHED, lossy};

pub(super) fn words(link: &LinkDescription<'_>) -> String {
    match link.device() {
        Some(LinkDevice::Here { index, name }) => format!("{} ({index})", lossy(&name)),
        Some(LinkDevice::Elsewhere { index, name, netns }) => {
            let device = match name {
                Some(name) => format!("{} ({index})", lossy(&name)),
                None => format!("device {index} (name unknown)"),
            };
            match link.names.netns(netns) {
                Some(path) => format!("{device} in {}", path.to_string_lossy()),
                None => format!("{device} in netns {netns}"),
            }
        }
        Some(LinkDevice::Unknown { index }) => format!("device {index} (name unknown)"),
        _ => DETACHED.to_owned(),
    }
}
