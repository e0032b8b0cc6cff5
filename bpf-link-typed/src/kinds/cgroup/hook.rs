//! The hooks of a cgroup.

use crate::attach::hook_enum::hook_enum;

hook_enum! {
    /// A hook of a cgroup.
    pub enum CgroupHook: Cgroup {
        /// Packets that come in to its sockets.
        InetIngress = CgroupInetIngress,
        /// Packets that its sockets send.
        InetEgress = CgroupInetEgress,
        /// New sockets.
        InetSockCreate = CgroupInetSockCreate,
        /// The end of sockets. Since Linux 5.9.
        InetSockRelease = CgroupInetSockRelease,
        /// The life of TCP connections.
        SockOps = CgroupSockOps,
        /// The use of devices.
        Device = CgroupDevice,
        /// The use of sysctls.
        Sysctl = CgroupSysctl,
        /// `getsockopt(2)`.
        Getsockopt = CgroupGetsockopt,
        /// `setsockopt(2)`.
        Setsockopt = CgroupSetsockopt,
        /// `bind(2)` to an IPv4 address.
        Inet4Bind = CgroupInet4Bind,
        /// `bind(2)` to an IPv6 address.
        Inet6Bind = CgroupInet6Bind,
        /// IPv4 sockets, once they are bound.
        Inet4PostBind = CgroupInet4PostBind,
        /// IPv6 sockets, once they are bound.
        Inet6PostBind = CgroupInet6PostBind,
        /// `connect(2)` to an IPv4 address.
        Inet4Connect = CgroupInet4Connect,
        /// `connect(2)` to an IPv6 address.
        Inet6Connect = CgroupInet6Connect,
        /// `connect(2)` to a Unix socket. Since Linux 6.7.
        UnixConnect = CgroupUnixConnect,
        /// `getpeername(2)` over IPv4. Since Linux 5.8.
        Inet4Getpeername = CgroupInet4Getpeername,
        /// `getpeername(2)` over IPv6. Since Linux 5.8.
        Inet6Getpeername = CgroupInet6Getpeername,
        /// `getpeername(2)` of a Unix socket. Since Linux 6.7.
        UnixGetpeername = CgroupUnixGetpeername,
        /// `getsockname(2)` over IPv4. Since Linux 5.8.
        Inet4Getsockname = CgroupInet4Getsockname,
        /// `getsockname(2)` over IPv6. Since Linux 5.8.
        Inet6Getsockname = CgroupInet6Getsockname,
        /// `getsockname(2)` of a Unix socket. Since Linux 6.7.
        UnixGetsockname = CgroupUnixGetsockname,
        /// `sendmsg(2)` over UDP and IPv4.
        Udp4Sendmsg = CgroupUdp4Sendmsg,
        /// `sendmsg(2)` over UDP and IPv6.
        Udp6Sendmsg = CgroupUdp6Sendmsg,
        /// `sendmsg(2)` to a Unix socket. Since Linux 6.7.
        UnixSendmsg = CgroupUnixSendmsg,
        /// `recvmsg(2)` over UDP and IPv4.
        Udp4Recvmsg = CgroupUdp4Recvmsg,
        /// `recvmsg(2)` over UDP and IPv6.
        Udp6Recvmsg = CgroupUdp6Recvmsg,
        /// `recvmsg(2)` from a Unix socket. Since Linux 6.7.
        UnixRecvmsg = CgroupUnixRecvmsg,
        /// The hook of the security modules that the program was loaded for. Since Linux 6.0.
        Lsm = LsmCgroup,
    }
}
