//! Where programs are attached.

use crate::kind::LinkKind;
use crate::open_enum::open_enum;

open_enum! {
    /// What sort of hook a program is attached to (`enum bpf_attach_type`).
    pub enum AttachType {
        /// Packets that a cgroup receives.
        #[doc(alias = "BPF_CGROUP_INET_INGRESS")]
        CgroupInetIngress = BPF_CGROUP_INET_INGRESS, "cgroup_inet_ingress";
        /// Packets that a cgroup sends.
        #[doc(alias = "BPF_CGROUP_INET_EGRESS")]
        CgroupInetEgress = BPF_CGROUP_INET_EGRESS, "cgroup_inet_egress";
        /// A socket is created in a cgroup.
        #[doc(alias = "BPF_CGROUP_INET_SOCK_CREATE")]
        CgroupInetSockCreate = BPF_CGROUP_INET_SOCK_CREATE, "cgroup_inet_sock_create";
        /// Events in the life of a TCP connection of a cgroup.
        #[doc(alias = "BPF_CGROUP_SOCK_OPS")]
        CgroupSockOps = BPF_CGROUP_SOCK_OPS, "cgroup_sock_ops";
        /// Where the messages of a stream in a sockmap end.
        #[doc(alias = "BPF_SK_SKB_STREAM_PARSER")]
        SkSkbStreamParser = BPF_SK_SKB_STREAM_PARSER, "sk_skb_stream_parser";
        /// What becomes of a message of a stream in a sockmap.
        #[doc(alias = "BPF_SK_SKB_STREAM_VERDICT")]
        SkSkbStreamVerdict = BPF_SK_SKB_STREAM_VERDICT, "sk_skb_stream_verdict";
        /// Access of a cgroup to a device file.
        #[doc(alias = "BPF_CGROUP_DEVICE")]
        CgroupDevice = BPF_CGROUP_DEVICE, "cgroup_device";
        /// What becomes of data that a socket in a sockmap sends.
        #[doc(alias = "BPF_SK_MSG_VERDICT")]
        SkMsgVerdict = BPF_SK_MSG_VERDICT, "sk_msg_verdict";
        /// `bind(2)` on an IPv4 socket of a cgroup.
        #[doc(alias = "BPF_CGROUP_INET4_BIND")]
        CgroupInet4Bind = BPF_CGROUP_INET4_BIND, "cgroup_inet4_bind";
        /// `bind(2)` on an IPv6 socket of a cgroup.
        #[doc(alias = "BPF_CGROUP_INET6_BIND")]
        CgroupInet6Bind = BPF_CGROUP_INET6_BIND, "cgroup_inet6_bind";
        /// `connect(2)` on an IPv4 socket of a cgroup.
        #[doc(alias = "BPF_CGROUP_INET4_CONNECT")]
        CgroupInet4Connect = BPF_CGROUP_INET4_CONNECT, "cgroup_inet4_connect";
        /// `connect(2)` on an IPv6 socket of a cgroup.
        #[doc(alias = "BPF_CGROUP_INET6_CONNECT")]
        CgroupInet6Connect = BPF_CGROUP_INET6_CONNECT, "cgroup_inet6_connect";
        /// After `bind(2)` on an IPv4 socket of a cgroup.
        #[doc(alias = "BPF_CGROUP_INET4_POST_BIND")]
        CgroupInet4PostBind = BPF_CGROUP_INET4_POST_BIND, "cgroup_inet4_post_bind";
        /// After `bind(2)` on an IPv6 socket of a cgroup.
        #[doc(alias = "BPF_CGROUP_INET6_POST_BIND")]
        CgroupInet6PostBind = BPF_CGROUP_INET6_POST_BIND, "cgroup_inet6_post_bind";
        /// `sendmsg(2)` without a connection on a UDP socket over IPv4 of a cgroup.
        #[doc(alias = "BPF_CGROUP_UDP4_SENDMSG")]
        CgroupUdp4Sendmsg = BPF_CGROUP_UDP4_SENDMSG, "cgroup_udp4_sendmsg";
        /// `sendmsg(2)` without a connection on a UDP socket over IPv6 of a cgroup.
        #[doc(alias = "BPF_CGROUP_UDP6_SENDMSG")]
        CgroupUdp6Sendmsg = BPF_CGROUP_UDP6_SENDMSG, "cgroup_udp6_sendmsg";
        /// Decoding of infrared pulses; has no link.
        #[doc(alias = "BPF_LIRC_MODE2")]
        LircMode2 = BPF_LIRC_MODE2, "lirc_mode2";
        /// Dissection of packets into flows in a network namespace.
        #[doc(alias = "BPF_FLOW_DISSECTOR")]
        FlowDissector = BPF_FLOW_DISSECTOR, "flow_dissector";
        /// Access of a cgroup to a sysctl.
        #[doc(alias = "BPF_CGROUP_SYSCTL")]
        CgroupSysctl = BPF_CGROUP_SYSCTL, "cgroup_sysctl";
        /// `recvmsg(2)` without a connection on a UDP socket over IPv4 of a cgroup.
        #[doc(alias = "BPF_CGROUP_UDP4_RECVMSG")]
        CgroupUdp4Recvmsg = BPF_CGROUP_UDP4_RECVMSG, "cgroup_udp4_recvmsg";
        /// `recvmsg(2)` without a connection on a UDP socket over IPv6 of a cgroup.
        #[doc(alias = "BPF_CGROUP_UDP6_RECVMSG")]
        CgroupUdp6Recvmsg = BPF_CGROUP_UDP6_RECVMSG, "cgroup_udp6_recvmsg";
        /// `getsockopt(2)` in a cgroup.
        #[doc(alias = "BPF_CGROUP_GETSOCKOPT")]
        CgroupGetsockopt = BPF_CGROUP_GETSOCKOPT, "cgroup_getsockopt";
        /// `setsockopt(2)` in a cgroup.
        #[doc(alias = "BPF_CGROUP_SETSOCKOPT")]
        CgroupSetsockopt = BPF_CGROUP_SETSOCKOPT, "cgroup_setsockopt";
        /// A tracepoint, with its arguments typed by BTF.
        #[doc(alias = "BPF_TRACE_RAW_TP")]
        TraceRawTp = BPF_TRACE_RAW_TP, "trace_raw_tp";
        /// The entry of a function.
        #[doc(alias = "BPF_TRACE_FENTRY")]
        TraceFentry = BPF_TRACE_FENTRY, "trace_fentry";
        /// The exit of a function.
        #[doc(alias = "BPF_TRACE_FEXIT")]
        TraceFexit = BPF_TRACE_FEXIT, "trace_fexit";
        /// The entry of a function whose result the program may set.
        #[doc(alias = "BPF_MODIFY_RETURN")]
        ModifyReturn = BPF_MODIFY_RETURN, "modify_return";
        /// A hook of the security modules.
        #[doc(alias = "BPF_LSM_MAC")]
        LsmMac = BPF_LSM_MAC, "lsm_mac";
        /// An iterator over kernel objects.
        #[doc(alias = "BPF_TRACE_ITER")]
        TraceIter = BPF_TRACE_ITER, "trace_iter";
        /// `getpeername(2)` on an IPv4 socket of a cgroup.
        #[doc(alias = "BPF_CGROUP_INET4_GETPEERNAME")]
        CgroupInet4Getpeername = BPF_CGROUP_INET4_GETPEERNAME, "cgroup_inet4_getpeername";
        /// `getpeername(2)` on an IPv6 socket of a cgroup.
        #[doc(alias = "BPF_CGROUP_INET6_GETPEERNAME")]
        CgroupInet6Getpeername = BPF_CGROUP_INET6_GETPEERNAME, "cgroup_inet6_getpeername";
        /// `getsockname(2)` on an IPv4 socket of a cgroup.
        #[doc(alias = "BPF_CGROUP_INET4_GETSOCKNAME")]
        CgroupInet4Getsockname = BPF_CGROUP_INET4_GETSOCKNAME, "cgroup_inet4_getsockname";
        /// `getsockname(2)` on an IPv6 socket of a cgroup.
        #[doc(alias = "BPF_CGROUP_INET6_GETSOCKNAME")]
        CgroupInet6Getsockname = BPF_CGROUP_INET6_GETSOCKNAME, "cgroup_inet6_getsockname";
        /// A packet redirected to an entry of a devmap; has no link.
        #[doc(alias = "BPF_XDP_DEVMAP")]
        XdpDevmap = BPF_XDP_DEVMAP, "xdp_devmap";
        /// A socket is released in a cgroup.
        #[doc(alias = "BPF_CGROUP_INET_SOCK_RELEASE")]
        CgroupInetSockRelease = BPF_CGROUP_INET_SOCK_RELEASE, "cgroup_inet_sock_release";
        /// A packet redirected to an entry of a cpumap; has no link.
        #[doc(alias = "BPF_XDP_CPUMAP")]
        XdpCpumap = BPF_XDP_CPUMAP, "xdp_cpumap";
        /// The choice of a socket for a new connection or a datagram in a network namespace.
        #[doc(alias = "BPF_SK_LOOKUP")]
        SkLookup = BPF_SK_LOOKUP, "sk_lookup";
        /// Packets that a network device receives, before the kernel has built its socket buffer.
        #[doc(alias = "BPF_XDP")]
        Xdp = BPF_XDP, "xdp";
        /// What becomes of data that a socket in a sockmap receives.
        #[doc(alias = "BPF_SK_SKB_VERDICT")]
        SkSkbVerdict = BPF_SK_SKB_VERDICT, "sk_skb_verdict";
        /// The choice among the sockets that share a port; has no link.
        #[doc(alias = "BPF_SK_REUSEPORT_SELECT")]
        SkReuseportSelect = BPF_SK_REUSEPORT_SELECT, "sk_reuseport_select";
        /// The same, also when a listener closes; has no link.
        #[doc(alias = "BPF_SK_REUSEPORT_SELECT_OR_MIGRATE")]
        SkReuseportSelectOrMigrate = BPF_SK_REUSEPORT_SELECT_OR_MIGRATE, "sk_reuseport_select_or_migrate";
        /// A perf event.
        #[doc(alias = "BPF_PERF_EVENT")]
        PerfEvent = BPF_PERF_EVENT, "perf_event";
        /// The entry or return of many kernel functions. Since Linux 5.18.
        #[doc(alias = "BPF_TRACE_KPROBE_MULTI")]
        TraceKprobeMulti = BPF_TRACE_KPROBE_MULTI, "trace_kprobe_multi";
        /// A hook of the security modules, for the tasks of a cgroup. Since Linux 6.0.
        #[doc(alias = "BPF_LSM_CGROUP")]
        LsmCgroup = BPF_LSM_CGROUP, "lsm_cgroup";
        /// A struct of kernel callbacks. Since Linux 6.4.
        #[doc(alias = "BPF_STRUCT_OPS")]
        StructOps = BPF_STRUCT_OPS, "struct_ops";
        /// A netfilter hook. Since Linux 6.4.
        #[doc(alias = "BPF_NETFILTER")]
        Netfilter = BPF_NETFILTER, "netfilter";
        /// Packets that a network device receives. Since Linux 6.6.
        #[doc(alias = "BPF_TCX_INGRESS")]
        TcxIngress = BPF_TCX_INGRESS, "tcx_ingress";
        /// Packets that a network device sends. Since Linux 6.6.
        #[doc(alias = "BPF_TCX_EGRESS")]
        TcxEgress = BPF_TCX_EGRESS, "tcx_egress";
        /// Many places in a user-space file. Since Linux 6.6.
        #[doc(alias = "BPF_TRACE_UPROBE_MULTI")]
        TraceUprobeMulti = BPF_TRACE_UPROBE_MULTI, "trace_uprobe_multi";
        /// `connect(2)` on a Unix socket of a cgroup. Since Linux 6.7.
        #[doc(alias = "BPF_CGROUP_UNIX_CONNECT")]
        CgroupUnixConnect = BPF_CGROUP_UNIX_CONNECT, "cgroup_unix_connect";
        /// `sendmsg(2)` without a connection on a Unix socket of a cgroup. Since Linux 6.7.
        #[doc(alias = "BPF_CGROUP_UNIX_SENDMSG")]
        CgroupUnixSendmsg = BPF_CGROUP_UNIX_SENDMSG, "cgroup_unix_sendmsg";
        /// `recvmsg(2)` without a connection on a Unix socket of a cgroup. Since Linux 6.7.
        #[doc(alias = "BPF_CGROUP_UNIX_RECVMSG")]
        CgroupUnixRecvmsg = BPF_CGROUP_UNIX_RECVMSG, "cgroup_unix_recvmsg";
        /// `getpeername(2)` on a Unix socket of a cgroup. Since Linux 6.7.
        #[doc(alias = "BPF_CGROUP_UNIX_GETPEERNAME")]
        CgroupUnixGetpeername = BPF_CGROUP_UNIX_GETPEERNAME, "cgroup_unix_getpeername";
        /// `getsockname(2)` on a Unix socket of a cgroup. Since Linux 6.7.
        #[doc(alias = "BPF_CGROUP_UNIX_GETSOCKNAME")]
        CgroupUnixGetsockname = BPF_CGROUP_UNIX_GETSOCKNAME, "cgroup_unix_getsockname";
        /// Packets that the primary end of a netkit pair sends. Since Linux 6.7.
        #[doc(alias = "BPF_NETKIT_PRIMARY")]
        NetkitPrimary = BPF_NETKIT_PRIMARY, "netkit_primary";
        /// Packets that the peer end of a netkit pair sends. Since Linux 6.7.
        #[doc(alias = "BPF_NETKIT_PEER")]
        NetkitPeer = BPF_NETKIT_PEER, "netkit_peer";
        /// The entry and return of many kernel functions. Since Linux 6.10.
        #[doc(alias = "BPF_TRACE_KPROBE_SESSION")]
        TraceKprobeSession = BPF_TRACE_KPROBE_SESSION, "trace_kprobe_session";
        /// The entry and return of many functions of a user-space file. Since Linux 6.13.
        #[doc(alias = "BPF_TRACE_UPROBE_SESSION")]
        TraceUprobeSession = BPF_TRACE_UPROBE_SESSION, "trace_uprobe_session";
        /// The entry and exit of a function. Since Linux 7.0.
        #[doc(alias = "BPF_TRACE_FSESSION")]
        TraceFsession = BPF_TRACE_FSESSION, "trace_fsession";
        /// The entry of many functions. Since Linux 7.2.
        #[doc(alias = "BPF_TRACE_FENTRY_MULTI")]
        TraceFentryMulti = BPF_TRACE_FENTRY_MULTI, "trace_fentry_multi";
        /// The exit of many functions. Since Linux 7.2.
        #[doc(alias = "BPF_TRACE_FEXIT_MULTI")]
        TraceFexitMulti = BPF_TRACE_FEXIT_MULTI, "trace_fexit_multi";
        /// The entry and exit of many functions. Since Linux 7.2.
        #[doc(alias = "BPF_TRACE_FSESSION_MULTI")]
        TraceFsessionMulti = BPF_TRACE_FSESSION_MULTI, "trace_fsession_multi";
    }
}

impl AttachType {
    /// The kind of the links that are made on this attach type; `None` if it has no links, or if
    /// this release does not know it.
    ///
    /// An extension's link takes any attach type (on Linux 5.10 only number 0) and is of kind
    /// [`LinkKind::Tracing`] whatever that is.
    #[must_use]
    pub const fn link_kind(self) -> Option<LinkKind> {
        Some(match self {
            Self::TraceRawTp => LinkKind::RawTracepoint,
            Self::TraceFentry
            | Self::TraceFexit
            | Self::ModifyReturn
            | Self::LsmMac
            | Self::TraceFsession => LinkKind::Tracing,
            Self::TraceIter => LinkKind::Iter,
            Self::FlowDissector | Self::SkLookup => LinkKind::Netns,
            Self::Xdp => LinkKind::Xdp,
            Self::PerfEvent => LinkKind::PerfEvent,
            Self::TraceKprobeMulti | Self::TraceKprobeSession => LinkKind::KprobeMulti,
            Self::StructOps => LinkKind::StructOps,
            Self::Netfilter => LinkKind::Netfilter,
            Self::TcxIngress | Self::TcxEgress => LinkKind::Tcx,
            Self::TraceUprobeMulti | Self::TraceUprobeSession => LinkKind::UprobeMulti,
            Self::NetkitPrimary | Self::NetkitPeer => LinkKind::Netkit,
            Self::SkSkbStreamParser
            | Self::SkSkbStreamVerdict
            | Self::SkSkbVerdict
            | Self::SkMsgVerdict => LinkKind::Sockmap,
            Self::TraceFentryMulti | Self::TraceFexitMulti | Self::TraceFsessionMulti => {
                LinkKind::TracingMulti
            }
            Self::CgroupInetIngress
            | Self::CgroupInetEgress
            | Self::CgroupInetSockCreate
            | Self::CgroupSockOps
            | Self::CgroupDevice
            | Self::CgroupInet4Bind
            | Self::CgroupInet6Bind
            | Self::CgroupInet4Connect
            | Self::CgroupInet6Connect
            | Self::CgroupInet4PostBind
            | Self::CgroupInet6PostBind
            | Self::CgroupUdp4Sendmsg
            | Self::CgroupUdp6Sendmsg
            | Self::CgroupSysctl
            | Self::CgroupUdp4Recvmsg
            | Self::CgroupUdp6Recvmsg
            | Self::CgroupGetsockopt
            | Self::CgroupSetsockopt
            | Self::CgroupInet4Getpeername
            | Self::CgroupInet6Getpeername
            | Self::CgroupInet4Getsockname
            | Self::CgroupInet6Getsockname
            | Self::CgroupInetSockRelease
            | Self::LsmCgroup
            | Self::CgroupUnixConnect
            | Self::CgroupUnixSendmsg
            | Self::CgroupUnixRecvmsg
            | Self::CgroupUnixGetpeername
            | Self::CgroupUnixGetsockname => LinkKind::Cgroup,
            Self::LircMode2
            | Self::XdpDevmap
            | Self::XdpCpumap
            | Self::SkReuseportSelect
            | Self::SkReuseportSelectOrMigrate => return None,
            // A known attach type may be written as `Unknown(number)`; it means the same to the
            // kernel.
            Self::Unknown(raw) => match Self::from_raw(raw) {
                Self::Unknown(_) => return None,
                known => return known.link_kind(),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_the_header_has_a_name() {
        for raw in 0..bpf_link_sys::__MAX_BPF_ATTACH_TYPE {
            let attach_type = AttachType::from_raw(raw);
            assert_eq!(attach_type.as_raw(), raw);
            assert!(
                attach_type.name().is_some(),
                "attach type {raw} has no name"
            );
        }
    }

    #[test]
    fn a_later_number_is_kept() {
        let later = AttachType::from_raw(bpf_link_sys::__MAX_BPF_ATTACH_TYPE);
        assert_eq!(
            later,
            AttachType::Unknown(bpf_link_sys::__MAX_BPF_ATTACH_TYPE)
        );
        assert_eq!(
            later.to_string(),
            bpf_link_sys::__MAX_BPF_ATTACH_TYPE.to_string()
        );
    }
}
