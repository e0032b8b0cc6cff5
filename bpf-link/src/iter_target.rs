//! What iterators visit.

use crate::args::CgroupIterOrder;
use crate::id::MapId;

/// Which objects of its sort an iterator visits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum IterTarget {
    /// All of them, as far as the kernel reports. Kernels before Linux 6.1 have iterators over all
    /// tasks only.
    All,
    /// What is in this map. Since Linux 5.10.
    Map(MapId),
    /// Cgroups, from this one. Since Linux 6.1.
    Cgroup {
        /// Where it starts.
        cgroup_id: u64,
        /// Which cgroups, and in which order.
        order: CgroupIterOrder,
    },
    /// What belongs to the thread with this id in the PID namespace of the process that made the
    /// link. Since Linux 6.1.
    Tid(u32),
    /// What belongs to the process with this id in the PID namespace of the process that made the
    /// link. Since Linux 6.1.
    Pid(u32),
}
