//! What is shown of a sockmap link.

use bpf_link_typed::SockmapInfo;
use bpf_link_typed::inspect::LinkDescription;

use crate::text::{DETACHED, map};

pub(super) fn attached_to(link: &LinkDescription<'_>, info: &SockmapInfo) -> String {
    format!(
        "{} {}",
        info.attach_type,
        info.map_id
            .map_or_else(|| DETACHED.to_owned(), |id| map(link, id))
    )
}
