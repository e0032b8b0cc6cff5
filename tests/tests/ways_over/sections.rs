//! What `sections.md` says is written here.

use std::fs::File;

use anyhow::Result;
use bpf_link_typed::attach::When;
use bpf_link_typed::{
    Binary, CgroupAttach, CgroupHook, CounterEvent, IterAttach, KernelFunctions, KprobeEvent,
    KprobeMultiAttach, NetfilterAttach, NetfilterFamily, NetfilterHook, NetkitAttach, NetkitHook,
    NetnsAttach, NetnsHook, PerfEventAttach, RawTracepointAttach, SockmapAttach, SockmapHook,
    SoftwareEvent, StructOpsAttach, TcxAttach, TcxHook, TracepointEvent, TracingAttach,
    TracingHook, TracingMultiAttach, UprobeEvent, UprobeMultiAttach, XdpAttach,
};

use crate::{given, keep};

fn network() {
    let map: File = given();
    keep(XdpAttach::to("eth0"));
    keep(TcxAttach::to("eth0", TcxHook::Ingress));
    keep(TcxAttach::to("eth0", TcxHook::Egress));
    keep(NetkitAttach::to("nk0", NetkitHook::Primary));
    keep(NetkitAttach::to("nk0", NetkitHook::Peer));
    keep(NetfilterAttach::to(
        NetfilterFamily::Ipv4,
        NetfilterHook::LocalIn,
        -300,
    ));
    keep(NetnsAttach::to("/run/netns/blue", NetnsHook::SkLookup));
    keep(NetnsAttach::to("/run/netns/blue", NetnsHook::FlowDissector));
    keep(SockmapAttach::to(&map, SockmapHook::MsgVerdict));
    keep(SockmapAttach::to(&map, SockmapHook::SkbStreamParser));
    keep(SockmapAttach::to(&map, SockmapHook::SkbStreamVerdict));
    keep(SockmapAttach::to(&map, SockmapHook::SkbVerdict));
}

fn cgroups() {
    keep(CgroupAttach::to(
        "/sys/fs/cgroup/web",
        CgroupHook::InetIngress,
    ));
    keep(CgroupAttach::to(
        "/sys/fs/cgroup/web",
        CgroupHook::InetEgress,
    ));
    keep(CgroupAttach::to(
        "/sys/fs/cgroup/web",
        CgroupHook::InetSockCreate,
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
}

fn addresses_and_settings_of_cgroups() {
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
        CgroupHook::Inet4Connect,
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
    keep(CgroupAttach::to("/sys/fs/cgroup/web", CgroupHook::Sysctl));
    keep(CgroupAttach::to(
        "/sys/fs/cgroup/web",
        CgroupHook::Getsockopt,
    ));
    keep(CgroupAttach::to(
        "/sys/fs/cgroup/web",
        CgroupHook::Setsockopt,
    ));
    keep(CgroupAttach::to("/sys/fs/cgroup/web", CgroupHook::Device));
    keep(CgroupAttach::to("/sys/fs/cgroup/web", CgroupHook::SockOps));
    keep(CgroupAttach::to("/sys/fs/cgroup/web", CgroupHook::Lsm));
}

fn functions_of_the_kernel() -> Result<()> {
    let functions: KernelFunctions = given();
    keep(PerfEventAttach::to(KprobeEvent::at("tcp_sendmsg", 0)));
    keep(PerfEventAttach::to(
        KprobeEvent::at("tcp_sendmsg", 0).on_return(),
    ));
    keep(PerfEventAttach::to(KprobeEvent::at_function(
        &functions.syscall("openat")?,
    )));
    keep(PerfEventAttach::to(
        KprobeEvent::at_function(&functions.syscall("openat")?).on_return(),
    ));
    keep(KprobeMultiAttach::matching(When::Entry, "vfs_*")?);
    keep(KprobeMultiAttach::matching(When::Return, "vfs_*")?);
    keep(KprobeMultiAttach::matching(When::Session, "vfs_*")?);
    keep(TracingAttach::to(TracingHook::Fentry));
    keep(TracingAttach::to(TracingHook::Fexit));
    keep(TracingAttach::to(TracingHook::ModifyReturn));
    keep(TracingAttach::to(TracingHook::Fsession));
    keep(TracingMultiAttach::matching(When::Entry, "tcp_*")?);
    keep(TracingMultiAttach::matching(When::Return, "tcp_*")?);
    keep(TracingMultiAttach::matching(When::Session, "tcp_*")?);
    keep(TracingAttach::to(TracingHook::LsmMac));
    keep(TracingAttach::extension());
    Ok(())
}

fn tracepoints_events_and_iterators() {
    keep(PerfEventAttach::to(TracepointEvent::new(
        "sched",
        "sched_switch",
    )));
    keep(RawTracepointAttach::to("sched_switch"));
    keep(RawTracepointAttach::to_load_time_target());
    keep(PerfEventAttach::to(CounterEvent::with_frequency(
        SoftwareEvent::CpuClock,
        99,
    )));
    keep(IterAttach::over_all());
}

fn programs_and_libraries() -> Result<()> {
    let library: Binary = given();
    keep(PerfEventAttach::to(UprobeEvent::in_binary(
        &library,
        library.function("SSL_write")?,
    )));
    keep(PerfEventAttach::to(
        UprobeEvent::in_binary(&library, library.function("SSL_write")?).on_return(),
    ));
    keep(UprobeMultiAttach::matching(&library, When::Entry, "SSL_*")?);
    keep(UprobeMultiAttach::matching(
        &library,
        When::Return,
        "SSL_*",
    )?);
    keep(UprobeMultiAttach::matching(
        &library,
        When::Session,
        "SSL_*",
    )?);
    keep(UprobeMultiAttach::in_binary(
        &library,
        When::Entry,
        library.usdt("libc", "setjmp")?,
    ));
    Ok(())
}

fn maps_of_callbacks() {
    let map: File = given();
    keep(StructOpsAttach::of(&map));
}
