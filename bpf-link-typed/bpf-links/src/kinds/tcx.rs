//! What is shown of a tcx link.

use bpf_link_typed::TcxInfo;
use bpf_link_typed::inspect::LinkDescription;

use super::device;

pub(super) fn attached_to(link: &LinkDescription<'_>, info: &TcxInfo) -> String {
    format!("{} {}", info.attach_type, device::words(link))
}
