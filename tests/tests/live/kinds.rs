//! The kinds of links: a file and a folder for each.
//!
//! | file | what |
//! |---|---|
//! | `<kind>.rs` | the kind through `bpf-link`, held against bare system calls |
//! | `<kind>/typed.rs` | through its type: attaching, info, queries, refusals |
//! | `<kind>/sorts.rs` | every sort of its links, with every option |
//! | `<kind>/ensure.rs` | restarts and upgrades |
//! | `<kind>/golden.rs` | what the kernel says of its links, for `tests/fixtures` and beside `bpftool` |

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

use crate::harness::Listed::{self, Folder};
use crate::suites::golden::Case;

macro_rules! kinds {
    ($($kind:ident),* $(,)?) => {
        /// What the files of the kinds list.
        pub(crate) const ALL: &[Listed] = &[$(Folder($kind::ALL)),*];

        /// The sorts of links of each kind.
        pub(crate) const CASES: &[&[Case]] = &[$($kind::CASES),*];
    };
}

kinds! {
    raw_tracepoint,
    tracing,
    cgroup,
    iter,
    netns,
    xdp,
    perf_event,
    kprobe_multi,
    struct_ops,
    netfilter,
    tcx,
    uprobe_multi,
    netkit,
    sockmap,
    tracing_multi,
}
