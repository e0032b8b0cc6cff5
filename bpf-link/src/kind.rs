//! The kinds of links, and what a link of each kind can do.

use crate::open_enum::open_enum;

open_enum! {
    /// The kind of a link: what sort of hook its program is attached to (`enum bpf_link_type`).
    pub enum LinkKind {
        /// A tracepoint, as a raw or a BTF-typed program sees it. Since Linux 5.7.
        #[doc(alias = "BPF_LINK_TYPE_RAW_TRACEPOINT")]
        RawTracepoint = BPF_LINK_TYPE_RAW_TRACEPOINT, "raw_tracepoint";
        /// The entry or exit of a kernel function or of another program, an LSM hook, or an
        /// extension of a program. Since Linux 5.7.
        #[doc(alias = "BPF_LINK_TYPE_TRACING")]
        Tracing = BPF_LINK_TYPE_TRACING, "tracing";
        /// A hook of a cgroup. Since Linux 5.7.
        #[doc(alias = "BPF_LINK_TYPE_CGROUP")]
        Cgroup = BPF_LINK_TYPE_CGROUP, "cgroup";
        /// An iterator over kernel objects. Since Linux 5.8.
        #[doc(alias = "BPF_LINK_TYPE_ITER")]
        Iter = BPF_LINK_TYPE_ITER, "iter";
        /// The flow dissector or socket lookup of a network namespace. Since Linux 5.8.
        #[doc(alias = "BPF_LINK_TYPE_NETNS")]
        Netns = BPF_LINK_TYPE_NETNS, "netns";
        /// The receive path of a network device. Since Linux 5.9.
        #[doc(alias = "BPF_LINK_TYPE_XDP")]
        Xdp = BPF_LINK_TYPE_XDP, "xdp";
        /// A perf event: a tracepoint, kprobe, uprobe or counter. Since Linux 5.15.
        #[doc(alias = "BPF_LINK_TYPE_PERF_EVENT")]
        PerfEvent = BPF_LINK_TYPE_PERF_EVENT, "perf_event";
        /// The entry or return of many kernel functions. Since Linux 5.18.
        #[doc(alias = "BPF_LINK_TYPE_KPROBE_MULTI")]
        KprobeMulti = BPF_LINK_TYPE_KPROBE_MULTI, "kprobe_multi";
        /// A struct of kernel callbacks implemented in BPF. Since Linux 6.4.
        #[doc(alias = "BPF_LINK_TYPE_STRUCT_OPS")]
        StructOps = BPF_LINK_TYPE_STRUCT_OPS, "struct_ops";
        /// A netfilter hook. Since Linux 6.4.
        #[doc(alias = "BPF_LINK_TYPE_NETFILTER")]
        Netfilter = BPF_LINK_TYPE_NETFILTER, "netfilter";
        /// Traffic control of a network device, without a qdisc. Since Linux 6.6.
        #[doc(alias = "BPF_LINK_TYPE_TCX")]
        Tcx = BPF_LINK_TYPE_TCX, "tcx";
        /// Many places in a user-space file. Since Linux 6.6.
        #[doc(alias = "BPF_LINK_TYPE_UPROBE_MULTI")]
        UprobeMulti = BPF_LINK_TYPE_UPROBE_MULTI, "uprobe_multi";
        /// One end of a netkit device. Since Linux 6.7.
        #[doc(alias = "BPF_LINK_TYPE_NETKIT")]
        Netkit = BPF_LINK_TYPE_NETKIT, "netkit";
        /// A sockmap or sockhash. Since Linux 6.10.
        #[doc(alias = "BPF_LINK_TYPE_SOCKMAP")]
        Sockmap = BPF_LINK_TYPE_SOCKMAP, "sockmap";
        /// The entry or exit of many kernel functions, through BPF trampolines. Since Linux 7.2.
        #[doc(alias = "BPF_LINK_TYPE_TRACING_MULTI")]
        TracingMulti = BPF_LINK_TYPE_TRACING_MULTI, "tracing_multi";
    }
}

/// What takes the place of what, when a link is updated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UpdateBy {
    /// A program takes the place of the link's program.
    Program,
    /// A `struct_ops` map takes the place of the link's map.
    Map,
}

impl LinkKind {
    /// By what a link of this kind can be updated; `None` if by nothing, or if this release does
    /// not know the kind.
    #[must_use]
    pub const fn updated_by(self) -> Option<UpdateBy> {
        match self {
            Self::Cgroup
            | Self::Iter
            | Self::Netns
            | Self::Xdp
            | Self::Tcx
            | Self::Netkit
            | Self::Sockmap => Some(UpdateBy::Program),
            Self::StructOps => Some(UpdateBy::Map),
            _ => None,
        }
    }

    /// Whether a link of this kind can be detached, on the kernels that can create one. For three
    /// of them that is later than the kind: `Cgroup` and `Netns` since Linux 5.9, `StructOps` since
    /// Linux 6.11.
    #[must_use]
    pub const fn is_detachable(self) -> bool {
        matches!(
            self,
            Self::Cgroup
                | Self::Netns
                | Self::Xdp
                | Self::StructOps
                | Self::Netfilter
                | Self::Tcx
                | Self::Netkit
                | Self::Sockmap
        )
    }

    /// Whether the number is one that this release names.
    #[must_use]
    pub const fn is_known(self) -> bool {
        !matches!(self, Self::Unknown(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_the_header_has_a_name() {
        for raw in 1..bpf_link_sys::__MAX_BPF_LINK_TYPE {
            let kind = LinkKind::from_raw(raw);
            assert_eq!(kind.as_raw(), raw);
            assert!(kind.is_known(), "link type {raw} has no name");
        }
        let known = LinkKind::KNOWN.iter().map(|kind| kind.as_raw());
        assert!(known.eq(1..bpf_link_sys::__MAX_BPF_LINK_TYPE));
    }

    #[test]
    fn a_later_number_is_kept() {
        let later = LinkKind::from_raw(4711);
        assert_eq!(later, LinkKind::Unknown(4711));
        assert_eq!(
            (later.as_raw(), later.to_string()),
            (4711, "4711".to_owned())
        );
    }
}
