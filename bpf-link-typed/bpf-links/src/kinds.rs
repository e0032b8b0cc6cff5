//! What a link of each kind is attached to, in words.
//!
//! A new kind is a file here, its module, and a line of `for_every_kind!`.

mod cgroup;
mod device;
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

use bpf_link_typed::LinkInfoRef;
use bpf_link_typed::inspect::LinkDescription;

use crate::text::UNKNOWN;

macro_rules! for_every_kind {
    ($($Kind:ident: $kind:ident;)+) => {
        /// What the link is attached to.
        pub(crate) fn attached_to(link: &LinkDescription<'_>) -> String {
            match &link.info {
                $( LinkInfoRef::$Kind(info) => $kind::attached_to(link, info), )+
                LinkInfoRef::Other(_) => "(a kind newer than this program)".to_owned(),
                _ => UNKNOWN.to_owned(),
            }
        }
    };
}

for_every_kind! {
    RawTracepoint: raw_tracepoint;
    Tracing: tracing;
    Cgroup: cgroup;
    Iter: iter;
    Netns: netns;
    Xdp: xdp;
    PerfEvent: perf_event;
    KprobeMulti: kprobe_multi;
    StructOps: struct_ops;
    Netfilter: netfilter;
    Tcx: tcx;
    UprobeMulti: uprobe_multi;
    Netkit: netkit;
    Sockmap: sockmap;
    TracingMulti: tracing_multi;
}
