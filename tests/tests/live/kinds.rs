//! The kinds of links: a file and a folder for each.
//!
//! | file | what |
//! |---|---|
//! | `<kind>.rs` | the kind through `bpf-link`, held against bare system calls |
//! | `<kind>/typed.rs` | through its type: attaching, info, queries, refusals |
//! | `<kind>/sorts.rs` | every sort of its links, with every option |
//! | `<kind>/ensure.rs` | restarts and upgrades |
//! | `<kind>/golden.rs` | what the kernel says of its links, for `tests/fixtures` and beside `bpftool` |
//! | `<kind>/soak.rs` | a place for such a link, for the soak test |

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
use crate::suites::kind_tests::KindTests;

/// Hands each kind to a macro, in the order of their numbers: its module here, and the type of its
/// links.
macro_rules! for_every_kind {
    ($then:ident) => {
        $then! {
            raw_tracepoint: RawTracepointLink,
            tracing: TracingLink,
            cgroup: CgroupLink,
            iter: IterLink,
            netns: NetnsLink,
            xdp: XdpLink,
            perf_event: PerfEventLink,
            kprobe_multi: KprobeMultiLink,
            struct_ops: StructOpsLink,
            netfilter: NetfilterLink,
            tcx: TcxLink,
            uprobe_multi: UprobeMultiLink,
            netkit: NetkitLink,
            sockmap: SockmapLink,
            tracing_multi: TracingMultiLink,
        }
    };
}
pub(crate) use for_every_kind;

macro_rules! lists {
    ($($kind:ident: $Link:ident,)+) => {
        /// What the files of the kinds list.
        pub(crate) const ALL: &[Listed] = &[$(Folder($kind::ALL)),+];

        /// The kinds.
        pub(crate) const KINDS: &[KindTests] = &[$($kind::KIND),+];
    };
}
for_every_kind!(lists);
