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
mod trampoline;
mod uprobe_multi;
mod xdp;

pub use cgroup::{CgroupAttach, CgroupHook, CgroupInfo, CgroupLink};
pub use iter::{IterAttach, IterInfo, IterInfoRef, IterLink};
pub use kprobe_multi::{KprobeMultiAttach, KprobeMultiInfo, KprobeMultiInfoRef, KprobeMultiLink};
pub use netfilter::{
    NetfilterAttach, NetfilterFamily, NetfilterHook, NetfilterInfo, NetfilterLink,
};
pub use netkit::{NetkitAttach, NetkitHook, NetkitInfo, NetkitLink};
pub use netns::{NetnsAttach, NetnsHook, NetnsInfo, NetnsLink};
pub(crate) use perf_event::processors;
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

use std::os::fd::AsFd;

use crate::ensure::{Attach, AttachProgram};
use crate::error::Result;
use crate::info::facts::KindFacts;

/// Hands the kinds to a macro: the variant, the type of the link, of its info, and of a view of the
/// info; then the attach options, and whether they are for a program or of a map.
///
/// A new kind is a line here, a line for its module above, and a file of its own with these types.
macro_rules! for_every_kind {
    ($define:ident) => {
        $define! {
            RawTracepoint: RawTracepointLink, RawTracepointInfo, RawTracepointInfoRef<'a>, RawTracepointAttach<'_> of program;
            Tracing: TracingLink, TracingInfo, TracingInfo, TracingAttach<'_> of program;
            Cgroup: CgroupLink, CgroupInfo, CgroupInfo, CgroupAttach<'_> of program;
            Iter: IterLink, IterInfo, IterInfoRef<'a>, IterAttach<'_> of program;
            Netns: NetnsLink, NetnsInfo, NetnsInfo, NetnsAttach<'_> of program;
            Xdp: XdpLink, XdpInfo, XdpInfo, XdpAttach of program;
            PerfEvent: PerfEventLink, PerfEventInfo, PerfEventInfoRef<'a>, PerfEventAttach<'_> of program;
            KprobeMulti: KprobeMultiLink, KprobeMultiInfo, KprobeMultiInfoRef<'a>, KprobeMultiAttach<'_> of program;
            StructOps: StructOpsLink, StructOpsInfo, StructOpsInfo, StructOpsAttach<'_> of map;
            Netfilter: NetfilterLink, NetfilterInfo, NetfilterInfo, NetfilterAttach of program;
            Tcx: TcxLink, TcxInfo, TcxInfo, TcxAttach<'_> of program;
            UprobeMulti: UprobeMultiLink, UprobeMultiInfo, UprobeMultiInfoRef<'a>, UprobeMultiAttach<'_> of program;
            Netkit: NetkitLink, NetkitInfo, NetkitInfo, NetkitAttach<'_> of program;
            Sockmap: SockmapLink, SockmapInfo, SockmapInfo, SockmapAttach<'_> of program;
            TracingMulti: TracingMultiLink, TracingMultiInfo, TracingMultiInfoRef<'a>, TracingMultiAttach<'_> of program;
        }
    };
}
pub(crate) use for_every_kind;

/// Says of the attach options of a kind that they can keep a link over restarts, and that they
/// are for a program.
macro_rules! program {
    ($Attach:ident $(<$a:lifetime>)?) => {
        map!($Attach $(<$a>)?);

        impl AttachProgram for $Attach $(<$a>)? {
            fn attach(&self, program: impl AsFd) -> Result<Self::Link> {
                Self::attach(self, program)
            }
        }
    };
}

/// The same of options that are of a map.
macro_rules! map {
    ($Attach:ident $(<$a:lifetime>)?) => {
        impl Attach for $Attach $(<$a>)? {}
    };
}

macro_rules! define {
    ($(
        $Variant:ident: $Link:ident, $Info:ident, $InfoRef:ident $(<$a:lifetime>)?,
        $Attach:ident $(<$b:lifetime>)? of $object:ident;
    )+) => {
        impl KindFacts {
            /// Every kind that has a type of its own, in the kernel's order.
            pub const ALL: &'static [Self] = &[$( crate::$Link::FACTS, )+];
        }

        $( $object!($Attach $(<$b>)?); )+
    };
}
for_every_kind!(define);
