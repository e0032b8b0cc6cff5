//! What is shown of an xdp link.

use bpf_link_typed::XdpInfo;
use bpf_link_typed::inspect::LinkDescription;

use super::device;

pub(super) fn attached_to(link: &LinkDescription<'_>, _info: &XdpInfo) -> String {
    device::words(link)
}
