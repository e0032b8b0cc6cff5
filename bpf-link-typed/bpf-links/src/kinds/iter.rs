//! What is shown of an iter link.

use bpf_link_typed::inspect::LinkDescription;
use bpf_link_typed::{IterInfoRef, IterTarget};

use crate::text::{cgroup, lossy, map, or_unknown};

pub(super) fn attached_to(link: &LinkDescription<'_>, info: &IterInfoRef<'_>) -> String {
    let name = or_unknown(info.target_name.map(lossy));
    match info.target {
        IterTarget::Map(id) => format!("{name} of {}", map(link, id)),
        IterTarget::Cgroup { cgroup_id, order } => {
            format!("{name} {} {order}", cgroup(link, cgroup_id))
        }
        IterTarget::Tid(tid) => format!("{name} of thread {tid}"),
        IterTarget::Pid(pid) => format!("{name} of process {pid}"),
        _ => name,
    }
}
