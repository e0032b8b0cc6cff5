//! What `from-libbpf-rs.md` says is written here.

use std::fs::File;
use std::os::fd::OwnedFd;

use anyhow::Result;
use bpf_link_typed::attach::When;
use bpf_link_typed::{
    Binary, CgroupAttach, CgroupHook, CgroupIterOrder, CounterEvent, IterAttach, IterLink,
    KernelFunctions, KprobeEvent, KprobeMultiAttach, Link, NetfilterAttach, NetfilterFamily,
    NetfilterHook, NetnsAttach, NetnsHook, PerfEventAttach, ProgramId, ProgramInfo,
    RawTracepointAttach, SockmapAttach, SockmapHook, SoftwareEvent, StructOpsAttach,
    TracepointEvent, TracingAttach, TracingHook, UprobeEvent, UprobeMultiAttach, XdpAttach,
    XdpLink, links,
};

use crate::{given, keep};

fn attach() -> Result<()> {
    let program: File = given();
    let event: File = given();
    let map: File = given();
    let cgroup: File = given();
    let library: Binary = given();
    let functions: KernelFunctions = given();
    let iter_link: IterLink = given();
    keep(CgroupAttach::to("/sys/fs/cgroup/web", CgroupHook::InetEgress).attach(&program)?);
    keep(XdpAttach::to("eth0").attach(&program)?);
    keep(NetnsAttach::to("/run/netns/blue", NetnsHook::SkLookup).attach(&program)?);
    keep(SockmapAttach::to(&map, SockmapHook::MsgVerdict).attach(&program)?);
    keep(
        NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::LocalIn, -300)
            .attach(&program)?,
    );
    keep(TracingAttach::as_loaded().attach(&program)?);
    keep(RawTracepointAttach::to_load_time_target().attach(&program)?);
    keep(TracingAttach::to(TracingHook::LsmMac).attach(&program)?);
    keep(RawTracepointAttach::to("sched_switch").attach(&program)?);
    keep(
        RawTracepointAttach::to("sched_switch")
            .cookie(7)
            .attach(&program)?,
    );
    keep(PerfEventAttach::to(TracepointEvent::new("sched", "sched_switch")).attach(&program)?);
    keep(
        PerfEventAttach::to(TracepointEvent::new("sched", "sched_switch"))
            .cookie(7)
            .attach(&program)?,
    );
    keep(PerfEventAttach::to(KprobeEvent::at("tcp_sendmsg", 0)).attach(&program)?);
    keep(
        PerfEventAttach::to(KprobeEvent::at("tcp_sendmsg", 0).on_return())
            .cookie(7)
            .attach(&program)?,
    );
    keep(KprobeMultiAttach::to_symbols(When::Entry, ["vfs_read", "vfs_write"]).attach(&program)?);
    keep(KprobeMultiAttach::matching(When::Entry, "vfs_*")?.attach(&program)?);
    keep(
        KprobeMultiAttach::to_symbols(When::Return, ["vfs_read", "vfs_write"])
            .cookies([1, 2])
            .attach(&program)?,
    );
    keep(
        PerfEventAttach::to(KprobeEvent::at_function(&functions.syscall("openat")?))
            .attach(&program)?,
    );
    keep(PerfEventAttach::to(UprobeEvent::at("/usr/bin/bash", 0x1136).pid(7)).attach(&program)?);
    keep(
        PerfEventAttach::to(UprobeEvent::in_binary(
            &library,
            library.function("SSL_write")?,
        ))
        .cookie(7)
        .attach(&program)?,
    );
    keep(UprobeMultiAttach::matching(&library, When::Entry, "SSL_*")?.attach(&program)?);
    keep(
        UprobeMultiAttach::in_binary(&library, When::Entry, [library.function("SSL_write")?])
            .attach(&program)?,
    );
    keep(
        UprobeMultiAttach::in_binary(&library, When::Entry, library.usdt("libc", "setjmp")?)
            .attach(&program)?,
    );
    keep(
        PerfEventAttach::to(CounterEvent::with_frequency(SoftwareEvent::CpuClock, 99))
            .attach(&program)?,
    );
    keep(PerfEventAttach::to_event(&event).attach(&program)?);
    keep(
        PerfEventAttach::to_event(&event)
            .cookie(7)
            .attach(&program)?,
    );
    keep(IterAttach::over_map(&map).attach(&program)?);
    keep(IterAttach::over_cgroups_of(&cgroup, CgroupIterOrder::DescendantsPre).attach(&program)?);
    keep(IterAttach::over_all().attach(&program)?);
    keep(StructOpsAttach::of(&map).attach()?);
    keep(iter_link.create_iter()?);
    keep(NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::LocalIn, -300).defragmented());
    keep(When::Session);
    keep(
        UprobeMultiAttach::in_binary(&library, When::Entry, library.usdt("libc", "setjmp")?)
            .cookies([7]),
    );
    Ok(())
}

fn pin_update_and_detach() -> Result<()> {
    let old: File = given();
    let new: File = given();
    let mut xdp_link: XdpLink = given();
    keep(XdpLink::from_pinned("/sys/fs/bpf/eth0")?);
    keep(Link::from_pinned("/sys/fs/bpf/eth0")?);
    xdp_link.pin("/sys/fs/bpf/eth0")?;
    xdp_link.unpin()?;
    keep(xdp_link.pin_path());
    xdp_link.update(&new)?;
    xdp_link.replace(&old, &new)?;
    xdp_link.detach()?;
    Ok(())
}

fn read_and_list() -> Result<()> {
    let program: File = given();
    let xdp_link: XdpLink = given();
    let program_id: ProgramId = given();
    let descriptor: OwnedFd = given();
    for link in links() {
        println!("{:?}", link?.info()?);
    }
    keep(xdp_link.info()?);
    keep(Link::try_from(descriptor)?.info()?);
    keep(bpf_link::open_program(program_id)?);
    keep(bpf_link::open_pinned_program("/sys/fs/bpf/program")?);
    keep(ProgramInfo::of(&program)?);
    keep(bpf_link::xdp_programs(2)?);
    Ok(())
}
