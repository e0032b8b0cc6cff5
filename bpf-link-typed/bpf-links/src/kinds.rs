//! What a link of each kind is attached to, in words.
//!
//! A new kind is a file here, its module, and a line of `attached_to`.

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

/// What the link is attached to.
pub(crate) fn attached_to(link: &LinkDescription<'_>) -> String {
    match &link.info {
        LinkInfoRef::RawTracepoint(info) => raw_tracepoint::attached_to(link, info),
        LinkInfoRef::Tracing(info) => tracing::attached_to(link, info),
        LinkInfoRef::Cgroup(info) => cgroup::attached_to(link, info),
        LinkInfoRef::Iter(info) => iter::attached_to(link, info),
        LinkInfoRef::Netns(info) => netns::attached_to(link, info),
        LinkInfoRef::Xdp(info) => xdp::attached_to(link, info),
        LinkInfoRef::PerfEvent(info) => perf_event::attached_to(link, info),
        LinkInfoRef::KprobeMulti(info) => kprobe_multi::attached_to(link, info),
        LinkInfoRef::StructOps(info) => struct_ops::attached_to(link, info),
        LinkInfoRef::Netfilter(info) => netfilter::attached_to(link, info),
        LinkInfoRef::Tcx(info) => tcx::attached_to(link, info),
        LinkInfoRef::UprobeMulti(info) => uprobe_multi::attached_to(link, info),
        LinkInfoRef::Netkit(info) => netkit::attached_to(link, info),
        LinkInfoRef::Sockmap(info) => sockmap::attached_to(link, info),
        LinkInfoRef::TracingMulti(info) => tracing_multi::attached_to(link, info),
        LinkInfoRef::Other(_) => "(a kind newer than this program)".to_owned(),
        _ => UNKNOWN.to_owned(),
    }
}
