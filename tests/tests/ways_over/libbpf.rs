//! What `from-libbpf.md` says is written here.

use std::fs::File;
use std::os::fd::AsFd as _;

use anyhow::Result;
use bpf_link::{LinkCreate, RawTracepointOpen, Update, UpdateFlags};
use bpf_link_typed::attach::When;
use bpf_link_typed::{
    Anchor, AttachType, Binary, CgroupAttach, CgroupHook, CgroupIterOrder, CounterEvent,
    IterAttach, IterLink, IterTask, KernelFunctions, KprobeEvent, KprobeMultiAttach, Link,
    LinkAnchor, LinkId, LinkKind, NetfilterAttach, NetfilterFamily, NetfilterHook, NetkitAttach,
    NetkitHook, NetnsAttach, NetnsHook, PerfEventAttach, Position, ProgramId, ProgramInfo,
    ProgramType, RawTracepointAttach, SockmapAttach, SockmapHook, SoftwareEvent, StructOpsAttach,
    StructOpsLink, TcxAttach, TcxHook, TracepointEvent, TracingAttach, TracingHook,
    TracingMultiAttach, UprobeEvent, UprobeMultiAttach, XdpAttach, XdpLink, link_ids, links,
};

use crate::{given, keep};

fn attach_to_network_and_cgroups() -> Result<()> {
    let program: File = given();
    let map: File = given();
    let link: Link = given();
    let program_id: ProgramId = given();
    keep(CgroupAttach::to("/sys/fs/cgroup/web", CgroupHook::InetEgress).attach(&program)?);
    keep(
        CgroupAttach::to("/sys/fs/cgroup/web", CgroupHook::InetEgress)
            .position(Position::Before(LinkAnchor::link(&link)))
            .attach(&program)?,
    );
    keep(XdpAttach::to("eth0").attach(&program)?);
    keep(
        TcxAttach::to("eth0", TcxHook::Ingress)
            .position(Position::Before(Anchor::ProgramId(program_id)))
            .attach(&program)?,
    );
    keep(
        NetkitAttach::to("nk0", NetkitHook::Primary)
            .position(Position::First)
            .attach(&program)?,
    );
    keep(NetnsAttach::to("/run/netns/blue", NetnsHook::SkLookup).attach(&program)?);
    keep(
        NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::LocalIn, -300)
            .attach(&program)?,
    );
    keep(SockmapAttach::to(&map, SockmapHook::MsgVerdict).attach(&program)?);
    keep(
        CgroupAttach::to("/sys/fs/cgroup/web", CgroupHook::InetEgress)
            .preorder()
            .expected_revision(7),
    );
    keep(NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::LocalIn, -300).defragmented());
    Ok(())
}

fn attach_to_everything_else() -> Result<()> {
    let program: File = given();
    let target: File = given();
    let event: File = given();
    let map: File = given();
    let cgroup: File = given();
    let library: Binary = given();
    let functions: KernelFunctions = given();
    let iter_link: IterLink = given();
    keep(TracingAttach::as_loaded().attach(&program)?);
    keep(RawTracepointAttach::to_load_time_target().attach(&program)?);
    keep(
        TracingAttach::to(TracingHook::Fentry)
            .cookie(7)
            .attach(&program)?,
    );
    keep(TracingMultiAttach::matching(When::Entry, "tcp_*")?.attach(&program)?);
    keep(
        TracingMultiAttach::to(When::Entry, ["tcp_sendmsg", "tcp_recvmsg"])
            .cookies(&[1, 2])
            .attach(&program)?,
    );
    keep(TracingAttach::to(TracingHook::LsmMac).attach(&program)?);
    keep(TracingAttach::extension_of(&target, "classify").attach(&program)?);
    keep(TracingAttach::extension().attach(&program)?);
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
    keep(IterAttach::over_tasks(IterTask::Pid(7)).attach(&program)?);
    keep(IterAttach::over_all().attach(&program)?);
    keep(iter_link.create_iter()?);
    keep(StructOpsAttach::of(&map).attach()?);
    keep(bpf_link::RawLink::create(
        &LinkCreate::new(&program, AttachType::CgroupInetEgress).target_fd(&cgroup),
    )?);
    keep(bpf_link::RawLink::open_raw_tracepoint(
        &RawTracepointOpen::named(&program, c"sched_switch")?.cookie(7),
    )?);
    keep(When::Session);
    Ok(())
}

fn pin_update_and_detach() -> Result<()> {
    let old: File = given();
    let new: File = given();
    let map: File = given();
    let directory: File = given();
    let link: Link = given();
    let mut xdp_link: XdpLink = given();
    let struct_ops_link: StructOpsLink = given();
    keep(XdpLink::from_pinned("/sys/fs/bpf/eth0")?);
    keep(Link::from_pinned("/sys/fs/bpf/eth0")?);
    xdp_link.pin("/sys/fs/bpf/eth0")?;
    xdp_link.unpin()?;
    keep(xdp_link.pin_path());
    keep(xdp_link.as_fd());
    xdp_link.update(&new)?;
    xdp_link.replace(&old, &new)?;
    struct_ops_link.update(&map)?;
    xdp_link.detach()?;
    xdp_link.as_raw().update(
        Update::program(&new)
            .flags(UpdateFlags::REPLACE)
            .expecting(&old),
    )?;
    xdp_link.pin_at(&directory, "eth0")?;
    keep(Link::from_pinned_at(&directory, "eth0")?);
    keep(bpf_link::open_pinned_program("/sys/fs/bpf/program")?);
    drop(link);
    Ok(())
}

fn read_and_list() -> Result<()> {
    let program: File = given();
    let xdp_link: XdpLink = given();
    let program_id: ProgramId = given();
    let link_id: LinkId = given();
    for link in links() {
        println!("{:?}", link?.info()?);
    }
    keep(link_ids());
    keep(Link::from_id(link_id)?);
    keep(xdp_link.info()?);
    keep(TcxHook::Ingress.query("eth0")?);
    keep(CgroupHook::InetEgress.query("/sys/fs/cgroup/web")?);
    keep(CgroupHook::InetEgress.query_effective("/sys/fs/cgroup/web")?);
    keep(ProgramInfo::of(&program)?);
    keep(bpf_link::open_program(program_id)?);
    keep(bpf_link::xdp_programs(2)?);
    keep(LinkKind::Xdp.name());
    keep(AttachType::Xdp.name());
    keep(ProgramType::Xdp.name());
    Ok(())
}
