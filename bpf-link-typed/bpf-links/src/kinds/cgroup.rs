//! What is shown of a cgroup link.

use bpf_link_typed::CgroupInfo;
use bpf_link_typed::inspect::LinkDescription;

use crate::text::{DETACHED, cgroup};

pub(super) fn attached_to(link: &LinkDescription<'_>, info: &CgroupInfo) -> String {
    format!(
        "{} {}",
        info.attach_type,
        info.cgroup_id
            .map_or_else(|| DETACHED.to_owned(), |id| cgroup(link, id))
    )
}
