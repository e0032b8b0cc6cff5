//! The list of the kinds: what is made for each of them is made from this list.

use crate::facts::KindFacts;

/// Hands the kinds to a macro: the variant, the type of the link, of its info, and of a view of the info.
///
/// A new kind is a line here, a file of its own with these types, and a line for the file in `lib.rs`.
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
