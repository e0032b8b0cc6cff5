//! The keys that only links of one kind have: those of bpftool, in its order.
//!
//! A new kind is a file here, its module, and a line of `keys`.

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

/// Writes the keys that only this kind has.
pub(super) fn keys<M: SerializeMap>(
    map: &mut M,
    link: &LinkDescription<'_>,
) -> Result<(), M::Error> {
    match &link.info {
        LinkInfoRef::RawTracepoint(info) => raw_tracepoint::keys(map, link, info),
        LinkInfoRef::Tracing(info) => tracing::keys(map, link, info),
        LinkInfoRef::Cgroup(info) => cgroup::keys(map, link, info),
        LinkInfoRef::Iter(info) => iter::keys(map, link, info),
        LinkInfoRef::Netns(info) => netns::keys(map, link, info),
        LinkInfoRef::Xdp(info) => xdp::keys(map, link, info),
        LinkInfoRef::PerfEvent(info) => perf_event::keys(map, link, info),
        LinkInfoRef::KprobeMulti(info) => kprobe_multi::keys(map, link, info),
        LinkInfoRef::StructOps(info) => struct_ops::keys(map, link, info),
        LinkInfoRef::Netfilter(info) => netfilter::keys(map, link, info),
        LinkInfoRef::Tcx(info) => tcx::keys(map, link, info),
        LinkInfoRef::UprobeMulti(info) => uprobe_multi::keys(map, link, info),
        LinkInfoRef::Netkit(info) => netkit::keys(map, link, info),
        LinkInfoRef::Sockmap(info) => sockmap::keys(map, link, info),
        LinkInfoRef::TracingMulti(info) => tracing_multi::keys(map, link, info),
        _ => Ok(()),
    }
}
