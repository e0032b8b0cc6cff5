//! The kinds of links: a file for each, with what that kind alone does.
//!
//! | file | what |
//! |---|---|
//! | `<kind>.rs` | the kind through `bpf-link`, held against bare system calls |

pub(crate) mod cgroup;
mod iter;
mod kprobe_multi;
mod netfilter;
mod netkit;
mod netns;
mod perf_event;
mod raw_tracepoint;
mod sockmap;
mod struct_ops;
mod tcx;
mod tracing;
mod tracing_multi;
mod uprobe_multi;
mod xdp;

use crate::harness::Listed::{self, Roles, Tests};

/// What these files list.
pub(crate) const ALL: &[Listed] = &[
    Tests(cgroup::TESTS),
    Tests(iter::TESTS),
    Tests(kprobe_multi::TESTS),
    Tests(netfilter::TESTS),
    Tests(netkit::TESTS),
    Tests(netns::TESTS),
    Tests(perf_event::TESTS),
    Tests(raw_tracepoint::TESTS),
    Tests(sockmap::TESTS),
    Tests(struct_ops::TESTS),
    Tests(tcx::TESTS),
    Tests(tracing::TESTS),
    Tests(tracing_multi::TESTS),
    Tests(uprobe_multi::TESTS),
    Roles(uprobe_multi::ROLES),
    Tests(xdp::TESTS),
];
