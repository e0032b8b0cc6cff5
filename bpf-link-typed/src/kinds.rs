//! The list of the kinds: what is made for each of them is made from this list.

mod cgroup;
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

pub use cgroup::{CgroupAttach, CgroupHook, CgroupInfo, CgroupLink};
pub use iter::{IterAttach, IterInfo, IterInfoRef, IterLink, IterTarget};
pub use kprobe_multi::{KprobeMultiAttach, KprobeMultiInfo, KprobeMultiInfoRef, KprobeMultiLink};
pub use netfilter::{
    NetfilterAttach, NetfilterFamily, NetfilterHook, NetfilterInfo, NetfilterLink,
};
pub use netkit::{NetkitAttach, NetkitHook, NetkitInfo, NetkitLink};
pub use netns::{NetnsAttach, NetnsHook, NetnsInfo, NetnsLink};
pub use perf_event::{
    CounterEvent, KprobeEvent, PerfCounter, PerfEventAttach, PerfEventDetails, PerfEventDetailsRef,
    PerfEventInfo, PerfEventInfoRef, PerfEventLink, PerfKprobe, PerfKprobeRef, PerfTarget,
    PerfTracepoint, PerfTracepointRef, PerfUprobe, PerfUprobeRef, TracepointEvent, UprobeEvent,
};
pub use raw_tracepoint::{
    RawTracepointAttach, RawTracepointInfo, RawTracepointInfoRef, RawTracepointLink,
};
pub use sockmap::{SockmapAttach, SockmapHook, SockmapInfo, SockmapLink};
pub use struct_ops::{StructOpsAttach, StructOpsInfo, StructOpsLink};
pub use tcx::{TcxAttach, TcxHook, TcxInfo, TcxLink};
pub use tracing::{TracingAttach, TracingHook, TracingInfo, TracingLink};
pub use tracing_multi::{
    TracingMultiAttach, TracingMultiInfo, TracingMultiInfoRef, TracingMultiLink,
};
pub use uprobe_multi::{UprobeMultiAttach, UprobeMultiInfo, UprobeMultiInfoRef, UprobeMultiLink};
pub use xdp::{XdpAttach, XdpInfo, XdpLink, XdpMode};

use crate::info::facts::KindFacts;

/// Hands the kinds to a macro: the variant, the type of the link, of its info, and of a view of the info.
///
/// A new kind is a line here, a line for its module above, and a file of its own with these types.
macro_rules! for_every_kind {
    ($define:ident) => {
        $define! {
            RawTracepoint: RawTracepointLink, RawTracepointInfo, RawTracepointInfoRef<'a>;
            Tracing: TracingLink, TracingInfo, TracingInfo;
            Cgroup: CgroupLink, CgroupInfo, CgroupInfo;
            Iter: IterLink, IterInfo, IterInfoRef<'a>;
            Netns: NetnsLink, NetnsInfo, NetnsInfo;
            Xdp: XdpLink, XdpInfo, XdpInfo;
            PerfEvent: PerfEventLink, PerfEventInfo, PerfEventInfoRef<'a>;
            KprobeMulti: KprobeMultiLink, KprobeMultiInfo, KprobeMultiInfoRef<'a>;
            StructOps: StructOpsLink, StructOpsInfo, StructOpsInfo;
            Netfilter: NetfilterLink, NetfilterInfo, NetfilterInfo;
            Tcx: TcxLink, TcxInfo, TcxInfo;
            UprobeMulti: UprobeMultiLink, UprobeMultiInfo, UprobeMultiInfoRef<'a>;
            Netkit: NetkitLink, NetkitInfo, NetkitInfo;
            Sockmap: SockmapLink, SockmapInfo, SockmapInfo;
            TracingMulti: TracingMultiLink, TracingMultiInfo, TracingMultiInfoRef<'a>;
        }
    };
}
pub(crate) use for_every_kind;

macro_rules! define {
    ($( $Variant:ident: $Link:ident, $Info:ident, $InfoRef:ident $(<$a:lifetime>)?; )+) => {
        impl KindFacts {
            /// Every kind that has a type of its own, in the kernel's order.
            pub const ALL: &'static [Self] = &[$( crate::$Link::FACTS, )+];
        }
    };
}
for_every_kind!(define);
