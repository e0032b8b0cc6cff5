//! Hooks of cgroups.

use std::fs::File;

use anyhow::Result;
use bpf_link_typed::{CgroupAttach, CgroupHook};

use super::{given, keep};

fn compiled() -> Result<()> {
    let program: File = given();
    keep(CgroupAttach::to("/sys/fs/cgroup/web", CgroupHook::Device).attach(&program)?);
    keep(CgroupAttach::to("/sys/fs/cgroup/web", CgroupHook::InetEgress).attach(&program)?);
    keep(CgroupAttach::to("/sys/fs/cgroup/web", CgroupHook::InetSockCreate).attach(&program)?);
    keep(CgroupAttach::to("/sys/fs/cgroup/web", CgroupHook::Inet4Connect).attach(&program)?);
    keep(CgroupAttach::to("/sys/fs/cgroup/web", CgroupHook::Getsockopt).attach(&program)?);
    keep(CgroupAttach::to("/sys/fs/cgroup/web", CgroupHook::Sysctl).attach(&program)?);
    keep(CgroupAttach::to("/sys/fs/cgroup/web", CgroupHook::SockOps).attach(&program)?);
    keep(CgroupAttach::to("/sys/fs/cgroup/web", CgroupHook::Lsm).attach(&program)?);
    Ok(())
}

/// The other hooks.
fn others() {
    keep(CgroupAttach::to(
        "/sys/fs/cgroup/web",
        CgroupHook::InetIngress,
    ));
    keep(CgroupAttach::to(
        "/sys/fs/cgroup/web",
        CgroupHook::InetSockRelease,
    ));
    keep(CgroupAttach::to(
        "/sys/fs/cgroup/web",
        CgroupHook::Inet4PostBind,
    ));
    keep(CgroupAttach::to(
        "/sys/fs/cgroup/web",
        CgroupHook::Inet6PostBind,
    ));
    keep(CgroupAttach::to(
        "/sys/fs/cgroup/web",
        CgroupHook::Inet4Bind,
    ));
    keep(CgroupAttach::to(
        "/sys/fs/cgroup/web",
        CgroupHook::Inet6Bind,
    ));
    keep(CgroupAttach::to(
        "/sys/fs/cgroup/web",
        CgroupHook::Inet6Connect,
    ));
    keep(CgroupAttach::to(
        "/sys/fs/cgroup/web",
        CgroupHook::UnixConnect,
    ));
    keep(CgroupAttach::to(
        "/sys/fs/cgroup/web",
        CgroupHook::Udp4Sendmsg,
    ));
    keep(CgroupAttach::to(
        "/sys/fs/cgroup/web",
        CgroupHook::Udp6Sendmsg,
    ));
    keep(CgroupAttach::to(
        "/sys/fs/cgroup/web",
        CgroupHook::UnixSendmsg,
    ));
    keep(CgroupAttach::to(
        "/sys/fs/cgroup/web",
        CgroupHook::Udp4Recvmsg,
    ));
    keep(CgroupAttach::to(
        "/sys/fs/cgroup/web",
        CgroupHook::Udp6Recvmsg,
    ));
    keep(CgroupAttach::to(
        "/sys/fs/cgroup/web",
        CgroupHook::UnixRecvmsg,
    ));
    keep(CgroupAttach::to(
        "/sys/fs/cgroup/web",
        CgroupHook::Inet4Getpeername,
    ));
    keep(CgroupAttach::to(
        "/sys/fs/cgroup/web",
        CgroupHook::Inet6Getpeername,
    ));
    keep(CgroupAttach::to(
        "/sys/fs/cgroup/web",
        CgroupHook::UnixGetpeername,
    ));
    keep(CgroupAttach::to(
        "/sys/fs/cgroup/web",
        CgroupHook::Inet4Getsockname,
    ));
    keep(CgroupAttach::to(
        "/sys/fs/cgroup/web",
        CgroupHook::Inet6Getsockname,
    ));
    keep(CgroupAttach::to(
        "/sys/fs/cgroup/web",
        CgroupHook::UnixGetsockname,
    ));
    keep(CgroupAttach::to(
        "/sys/fs/cgroup/web",
        CgroupHook::Setsockopt,
    ));
}
