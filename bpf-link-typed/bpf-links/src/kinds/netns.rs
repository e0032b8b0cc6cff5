//! What is shown of a netns link.

use bpf_link_typed::NetnsInfo;
use bpf_link_typed::inspect::LinkDescription;

use crate::text::DETACHED;

pub(super) fn attached_to(_view: &LinkDescription<'_>, info: &NetnsInfo) -> String {
    format!(
        "{} {}",
        info.attach_type,
        info.netns_ino
            .map_or_else(|| DETACHED.to_owned(), |inode| format!("netns {inode}"))
    )
}
