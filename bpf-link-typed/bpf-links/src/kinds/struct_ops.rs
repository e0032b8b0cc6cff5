//! What is shown of a `struct_ops` link.

use bpf_link_typed::StructOpsInfo;
use bpf_link_typed::inspect::LinkDescription;

use crate::text::{DETACHED, map};

pub(super) fn attached_to(link: &LinkDescription<'_>, info: &StructOpsInfo) -> String {
    info.map_id
        .map_or_else(|| DETACHED.to_owned(), |id| map(link, id))
}
