//! The types of programs.

use crate::open_enum::open_enum;

open_enum! {
    /// The type of a program: what sort of hook it was loaded for (`enum bpf_prog_type`).
    pub enum ProgramType {
        /// Filters what a socket receives.
        SocketFilter = BPF_PROG_TYPE_SOCKET_FILTER, "socket_filter";
        /// Runs at functions and instructions, of the kernel or a program: for `perf_event`,
        /// `kprobe_multi` and `uprobe_multi` links.
        Kprobe = BPF_PROG_TYPE_KPROBE, "kprobe";
        /// Classifies packets: for `tcx` and `netkit` links.
        SchedCls = BPF_PROG_TYPE_SCHED_CLS, "sched_cls";
        /// Acts on classified packets.
        SchedAct = BPF_PROG_TYPE_SCHED_ACT, "sched_act";
        /// Runs at a tracepoint: for `perf_event` links.
        Tracepoint = BPF_PROG_TYPE_TRACEPOINT, "tracepoint";
        /// Runs where a network device receives: for `xdp` links.
        Xdp = BPF_PROG_TYPE_XDP, "xdp";
        /// Runs when a counter overflows: for `perf_event` links.
        PerfEvent = BPF_PROG_TYPE_PERF_EVENT, "perf_event";
        /// Sees the packets of a cgroup.
        CgroupSkb = BPF_PROG_TYPE_CGROUP_SKB, "cgroup_skb";
        /// Sees sockets of a cgroup come and go.
        CgroupSock = BPF_PROG_TYPE_CGROUP_SOCK, "cgroup_sock";
        /// Runs for a route, on input.
        LwtIn = BPF_PROG_TYPE_LWT_IN, "lwt_in";
        /// Runs for a route, on output.
        LwtOut = BPF_PROG_TYPE_LWT_OUT, "lwt_out";
        /// Runs for a route, on transmission.
        LwtXmit = BPF_PROG_TYPE_LWT_XMIT, "lwt_xmit";
        /// Follows the TCP connections of a cgroup.
        SockOps = BPF_PROG_TYPE_SOCK_OPS, "sock_ops";
        /// Handles what sockets of a sockmap receive.
        SkSkb = BPF_PROG_TYPE_SK_SKB, "sk_skb";
        /// Decides on the use of devices by a cgroup.
        CgroupDevice = BPF_PROG_TYPE_CGROUP_DEVICE, "cgroup_device";
        /// Handles what sockets of a sockmap send.
        SkMsg = BPF_PROG_TYPE_SK_MSG, "sk_msg";
        /// Runs at a tracepoint, with its raw arguments.
        RawTracepoint = BPF_PROG_TYPE_RAW_TRACEPOINT, "raw_tracepoint";
        /// Sees and changes the addresses that a cgroup's sockets use.
        CgroupSockAddr = BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "cgroup_sock_addr";
        /// Runs for an IPv6 segment.
        LwtSeg6local = BPF_PROG_TYPE_LWT_SEG6LOCAL, "lwt_seg6local";
        /// Decodes infrared signals.
        LircMode2 = BPF_PROG_TYPE_LIRC_MODE2, "lirc_mode2";
        /// Selects a socket among those that share a port.
        SkReuseport = BPF_PROG_TYPE_SK_REUSEPORT, "sk_reuseport";
        /// Takes packets apart: for `netns` links.
        FlowDissector = BPF_PROG_TYPE_FLOW_DISSECTOR, "flow_dissector";
        /// Decides on the use of sysctls by a cgroup.
        CgroupSysctl = BPF_PROG_TYPE_CGROUP_SYSCTL, "cgroup_sysctl";
        /// Runs at a tracepoint, and may write to its arguments.
        RawTracepointWritable = BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE, "raw_tracepoint_writable";
        /// Sees and changes the socket options that a cgroup uses.
        CgroupSockopt = BPF_PROG_TYPE_CGROUP_SOCKOPT, "cgroup_sockopt";
        /// Runs at functions, tracepoints and iterators, with typed arguments: for `tracing`,
        /// `tracing_multi`, `iter` and `raw_tracepoint` links.
        Tracing = BPF_PROG_TYPE_TRACING, "tracing";
        /// One of a struct of the kernel's callbacks.
        StructOps = BPF_PROG_TYPE_STRUCT_OPS, "struct_ops";
        /// Takes the place of a function of another program.
        Ext = BPF_PROG_TYPE_EXT, "ext";
        /// Runs at a security hook.
        Lsm = BPF_PROG_TYPE_LSM, "lsm";
        /// Selects the socket for a packet: for `netns` links.
        SkLookup = BPF_PROG_TYPE_SK_LOOKUP, "sk_lookup";
        /// Runs when it is asked to, and may make some system calls.
        Syscall = BPF_PROG_TYPE_SYSCALL, "syscall";
        /// Runs at a netfilter hook.
        Netfilter = BPF_PROG_TYPE_NETFILTER, "netfilter";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when the header has a type that is not named here.
    #[test]
    fn every_type_of_the_header_has_a_name() {
        let mut raw = 1;
        for known in ProgramType::KNOWN {
            assert_eq!(known.as_raw(), raw);
            assert_eq!(ProgramType::from_raw(raw), *known);
            raw += 1;
        }
        assert_eq!(raw, bpf_link_sys::__MAX_BPF_PROG_TYPE);
    }
}
