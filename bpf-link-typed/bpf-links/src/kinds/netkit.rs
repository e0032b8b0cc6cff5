//! What is shown of a netkit link.

use bpf_link_typed::NetkitInfo;
use bpf_link_typed::inspect::LinkDescription;

use super::device;

pub(super) fn attached_to(link: &LinkDescription<'_>, info: &NetkitInfo) -> String {
    format!("{} {}", info.attach_type, device::words(link))
}
