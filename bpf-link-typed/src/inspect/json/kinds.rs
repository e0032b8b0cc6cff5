//! The keys that only links of one kind have: those of bpftool, in its order.
//!
//! A new kind is a file here, its module, and a line of `keys_of_every_kind!`.

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

use serde::ser::SerializeMap;

use crate::info::LinkInfoRef;
use crate::inspect::description::LinkDescription;

macro_rules! keys_of_every_kind {
    ($($Kind:ident: $kind:ident;)+) => {
        /// Writes the keys that only this kind has.
        pub(super) fn keys<M: SerializeMap>(
            map: &mut M,
            link: &LinkDescription<'_>,
        ) -> Result<(), M::Error> {
            match &link.info {
                $( LinkInfoRef::$Kind(info) => $kind::keys(map, link, info), )+
                _ => Ok(()),
            }
        }
    };
}

keys_of_every_kind! {
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
