//! What is shown of each kind: the keys of its JSON, which are those of bpftool, and what it is
//! attached to in words.
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
use serde::ser::SerializeMap;

use crate::text::UNKNOWN;
use crate::view::View;

macro_rules! for_every_kind {
    ($($Kind:ident: $kind:ident;)+) => {
        /// Writes the keys that only this kind has.
        pub(crate) fn keys<M: SerializeMap>(map: &mut M, view: &View<'_>) -> Result<(), M::Error> {
            match &view.info {
                $( LinkInfoRef::$Kind(info) => $kind::keys(map, view, info), )+
                _ => Ok(()),
            }
        }

        /// What the link is attached to.
        pub(crate) fn attached_to(view: &View<'_>) -> String {
            match &view.info {
                $( LinkInfoRef::$Kind(info) => $kind::attached_to(view, info), )+
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
