//! The hooks that programs are made for.

use bpf_link_sys::{
    BPF_CGROUP_DEVICE, BPF_CGROUP_GETSOCKOPT, BPF_CGROUP_INET_EGRESS, BPF_CGROUP_INET_INGRESS,
    BPF_CGROUP_INET_SOCK_CREATE, BPF_CGROUP_INET_SOCK_RELEASE, BPF_CGROUP_INET4_BIND,
    BPF_CGROUP_INET4_CONNECT, BPF_CGROUP_INET4_POST_BIND, BPF_CGROUP_INET6_CONNECT,
    BPF_CGROUP_SETSOCKOPT, BPF_CGROUP_SOCK_OPS, BPF_CGROUP_SYSCTL, BPF_CGROUP_UDP4_SENDMSG,
    BPF_FLOW_DISSECTOR, BPF_LSM_CGROUP, BPF_LSM_MAC, BPF_MODIFY_RETURN, BPF_NETFILTER,
    BPF_NETKIT_PEER, BPF_NETKIT_PRIMARY, BPF_PROG_TYPE_CGROUP_DEVICE, BPF_PROG_TYPE_CGROUP_SKB,
    BPF_PROG_TYPE_CGROUP_SOCK, BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_PROG_TYPE_CGROUP_SOCKOPT,
    BPF_PROG_TYPE_CGROUP_SYSCTL, BPF_PROG_TYPE_EXT, BPF_PROG_TYPE_FLOW_DISSECTOR,
    BPF_PROG_TYPE_KPROBE, BPF_PROG_TYPE_LSM, BPF_PROG_TYPE_NETFILTER, BPF_PROG_TYPE_PERF_EVENT,
    BPF_PROG_TYPE_RAW_TRACEPOINT, BPF_PROG_TYPE_SCHED_CLS, BPF_PROG_TYPE_SK_LOOKUP,
    BPF_PROG_TYPE_SK_MSG, BPF_PROG_TYPE_SK_SKB, BPF_PROG_TYPE_SOCK_OPS, BPF_PROG_TYPE_TRACEPOINT,
    BPF_PROG_TYPE_TRACING, BPF_PROG_TYPE_XDP, BPF_SK_LOOKUP, BPF_SK_MSG_VERDICT,
    BPF_SK_SKB_STREAM_VERDICT, BPF_SK_SKB_VERDICT, BPF_TCX_EGRESS, BPF_TCX_INGRESS,
    BPF_TRACE_FENTRY, BPF_TRACE_FENTRY_MULTI, BPF_TRACE_FEXIT, BPF_TRACE_FEXIT_MULTI,
    BPF_TRACE_FSESSION, BPF_TRACE_FSESSION_MULTI, BPF_TRACE_ITER, BPF_TRACE_KPROBE_MULTI,
    BPF_TRACE_KPROBE_SESSION, BPF_TRACE_RAW_TP, BPF_TRACE_UPROBE_MULTI, BPF_TRACE_UPROBE_SESSION,
    BPF_XDP, BPF_XDP_CPUMAP, BPF_XDP_DEVMAP, NETKIT_NEXT, TCX_NEXT, bpf_attach_type, bpf_prog_type,
};

/// A hook: the type of the programs that run there, the attach type that they are loaded for, and
/// what they return to let things be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hook {
    /// The type of the programs.
    pub program_type: bpf_prog_type,
    /// The attach type that they are loaded for; 0 where the kernel compares none.
    pub attach_type: bpf_attach_type,
    /// What a program returns that changes nothing.
    pub pass: i32,
}

/// Declares the hooks, a line each.
macro_rules! hooks {
    ($($(#[$doc:meta])* $name:ident = ($program_type:ident, $attach_type:expr, $pass:expr);)*) => {
        impl Hook {
            $(
                $(#[$doc])*
                pub const $name: Self = Self::new($program_type, $attach_type, $pass);
            )*
        }
    };
}

impl Hook {
    /// A hook that has no constant here.
    #[must_use]
    pub const fn new(program_type: bpf_prog_type, attach_type: bpf_attach_type, pass: i32) -> Self {
        Self {
            program_type,
            attach_type,
            pass,
        }
    }
}

hooks! {
    /// Packets that come in to a cgroup's sockets.
    CGROUP_INGRESS = (BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_INGRESS, 1);
    /// Packets that a cgroup's sockets send.
    CGROUP_EGRESS = (BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_EGRESS, 1);
    /// A cgroup's new sockets.
    CGROUP_SOCK_CREATE = (BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET_SOCK_CREATE, 1);
    /// The end of a cgroup's sockets.
    CGROUP_SOCK_RELEASE = (BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET_SOCK_RELEASE, 1);
    /// A cgroup's IPv4 sockets, once they are bound.
    CGROUP_POST_BIND4 = (BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET4_POST_BIND, 1);
    /// `bind(2)` to an IPv4 address in a cgroup.
    CGROUP_BIND4 = (BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_BIND, 1);
    /// `connect(2)` to an IPv4 address in a cgroup.
    CGROUP_CONNECT4 = (BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_CONNECT, 1);
    /// `connect(2)` to an IPv6 address in a cgroup.
    CGROUP_CONNECT6 = (BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET6_CONNECT, 1);
    /// `sendmsg(2)` to an IPv4 address in a cgroup.
    CGROUP_SENDMSG4 = (BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_UDP4_SENDMSG, 1);
    /// The life of a cgroup's TCP connections.
    CGROUP_SOCK_OPS = (BPF_PROG_TYPE_SOCK_OPS, BPF_CGROUP_SOCK_OPS, 1);
    /// A cgroup's use of devices.
    CGROUP_DEVICE = (BPF_PROG_TYPE_CGROUP_DEVICE, BPF_CGROUP_DEVICE, 1);
    /// A cgroup's use of sysctls.
    CGROUP_SYSCTL = (BPF_PROG_TYPE_CGROUP_SYSCTL, BPF_CGROUP_SYSCTL, 1);
    /// `getsockopt(2)` in a cgroup.
    CGROUP_GETSOCKOPT = (BPF_PROG_TYPE_CGROUP_SOCKOPT, BPF_CGROUP_GETSOCKOPT, 1);
    /// `setsockopt(2)` in a cgroup.
    CGROUP_SETSOCKOPT = (BPF_PROG_TYPE_CGROUP_SOCKOPT, BPF_CGROUP_SETSOCKOPT, 1);
    /// What a network namespace makes of a packet's headers.
    FLOW_DISSECTOR = (BPF_PROG_TYPE_FLOW_DISSECTOR, BPF_FLOW_DISSECTOR, 0);
    /// Which socket of a network namespace gets a packet.
    SK_LOOKUP = (BPF_PROG_TYPE_SK_LOOKUP, BPF_SK_LOOKUP, 1);
    /// Packets as a network device's driver receives them.
    XDP = (BPF_PROG_TYPE_XDP, BPF_XDP, 2);
    /// XDP, loaded without an attach type, as older loaders do.
    XDP_UNTYPED = (BPF_PROG_TYPE_XDP, 0, 2);
    /// XDP programs for entries of a device map (`BPF_XDP_DEVMAP`).
    XDP_DEVMAP = (BPF_PROG_TYPE_XDP, BPF_XDP_DEVMAP, 2);
    /// XDP programs for entries of a CPU map (`BPF_XDP_CPUMAP`).
    XDP_CPUMAP = (BPF_PROG_TYPE_XDP, BPF_XDP_CPUMAP, 2);
    /// Packets that come in at a network device.
    TCX_INGRESS = (BPF_PROG_TYPE_SCHED_CLS, BPF_TCX_INGRESS, TCX_NEXT);
    /// Packets that go out at a network device.
    TCX_EGRESS = (BPF_PROG_TYPE_SCHED_CLS, BPF_TCX_EGRESS, TCX_NEXT);
    /// Packets that come in or go out at a network device, for a filter of the traffic control that
    /// there was before tcx.
    CLASSIC_TC = (BPF_PROG_TYPE_SCHED_CLS, 0, 0);
    /// Packets that the primary device of a netkit pair sends.
    NETKIT_PRIMARY = (BPF_PROG_TYPE_SCHED_CLS, BPF_NETKIT_PRIMARY, NETKIT_NEXT);
    /// Packets that the peer of a netkit pair sends.
    NETKIT_PEER = (BPF_PROG_TYPE_SCHED_CLS, BPF_NETKIT_PEER, NETKIT_NEXT);
    /// Packets at a hook of netfilter.
    NETFILTER = (BPF_PROG_TYPE_NETFILTER, BPF_NETFILTER, 1);
    /// Any tracepoint, with its arguments as they are.
    RAW_TRACEPOINT = (BPF_PROG_TYPE_RAW_TRACEPOINT, 0, 0);
    /// A perf event of a tracepoint.
    TRACEPOINT = (BPF_PROG_TYPE_TRACEPOINT, 0, 0);
    /// Any other perf event.
    PERF_EVENT = (BPF_PROG_TYPE_PERF_EVENT, 0, 1);
    /// A perf event of a kprobe or a uprobe.
    KPROBE = (BPF_PROG_TYPE_KPROBE, 0, 0);
    /// Many functions of the kernel.
    KPROBE_MULTI = (BPF_PROG_TYPE_KPROBE, BPF_TRACE_KPROBE_MULTI, 0);
    /// The entry and the return of many functions of the kernel.
    KPROBE_SESSION = (BPF_PROG_TYPE_KPROBE, BPF_TRACE_KPROBE_SESSION, 0);
    /// Many places of a file.
    UPROBE_MULTI = (BPF_PROG_TYPE_KPROBE, BPF_TRACE_UPROBE_MULTI, 0);
    /// The entry and the return of many functions of a file.
    UPROBE_SESSION = (BPF_PROG_TYPE_KPROBE, BPF_TRACE_UPROBE_SESSION, 0);
    /// The entry of a function of the kernel.
    FENTRY = (BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY, 0);
    /// The return of a function of the kernel.
    FEXIT = (BPF_PROG_TYPE_TRACING, BPF_TRACE_FEXIT, 0);
    /// Both, for the same function.
    FSESSION = (BPF_PROG_TYPE_TRACING, BPF_TRACE_FSESSION, 0);
    /// What a function of the kernel returns.
    MODIFY_RETURN = (BPF_PROG_TYPE_TRACING, BPF_MODIFY_RETURN, 0);
    /// A tracepoint, with its arguments typed.
    TYPED_RAW_TRACEPOINT = (BPF_PROG_TYPE_TRACING, BPF_TRACE_RAW_TP, 0);
    /// The entry of many functions of the kernel.
    FENTRY_MULTI = (BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY_MULTI, 0);
    /// The return of many functions of the kernel.
    FEXIT_MULTI = (BPF_PROG_TYPE_TRACING, BPF_TRACE_FEXIT_MULTI, 0);
    /// Both, for the same functions.
    FSESSION_MULTI = (BPF_PROG_TYPE_TRACING, BPF_TRACE_FSESSION_MULTI, 0);
    /// An iterator.
    ITERATOR = (BPF_PROG_TYPE_TRACING, BPF_TRACE_ITER, 0);
    /// A hook of the kernel's security modules.
    LSM = (BPF_PROG_TYPE_LSM, BPF_LSM_MAC, 0);
    /// A hook of the kernel's security modules, for one cgroup.
    LSM_CGROUP = (BPF_PROG_TYPE_LSM, BPF_LSM_CGROUP, 1);
    /// A function of another program.
    EXTENSION = (BPF_PROG_TYPE_EXT, 0, 0);
    /// Messages that the sockets of a map send.
    SK_MSG_VERDICT = (BPF_PROG_TYPE_SK_MSG, BPF_SK_MSG_VERDICT, 1);
    /// Packets that the sockets of a map receive.
    SK_SKB_VERDICT = (BPF_PROG_TYPE_SK_SKB, BPF_SK_SKB_VERDICT, 1);
    /// Messages that the sockets of a map receive.
    SK_SKB_STREAM_VERDICT = (BPF_PROG_TYPE_SK_SKB, BPF_SK_SKB_STREAM_VERDICT, 1);
}
