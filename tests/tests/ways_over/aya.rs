//! What `from-aya.md` says is written here.

use std::fs::File;

use anyhow::Result;
use bpf_link_typed::attach::When;
use bpf_link_typed::{
    Anchor, Binary, CgroupAttach, CgroupHook, CgroupLink, CounterEvent, IterAttach, IterLink,
    KernelFunctions, KprobeEvent, Link, NetnsAttach, NetnsHook, PerfEventAttach, PerfEventLink,
    Position, ProgramId, ProgramInfo, RawTracepointAttach, SockmapAttach, SockmapHook,
    SoftwareEvent, TcxAttach, TcxHook, TcxLink, TracepointEvent, TracingAttach, TracingHook,
    UprobeEvent, UprobeMultiAttach, UprobeMultiLink, XdpAttach, XdpLink, XdpMode, links,
};

use crate::{given, keep};

fn attach() -> Result<()> {
    let program: File = given();
    let target: File = given();
    let map: File = given();
    let library: Binary = given();
    let iter_link: IterLink = given();
    keep(CgroupAttach::to("/sys/fs/cgroup/web", CgroupHook::Device).attach(&program)?);
    keep(CgroupAttach::to("/sys/fs/cgroup/web", CgroupHook::InetEgress).attach(&program)?);
    keep(CgroupAttach::to("/sys/fs/cgroup/web", CgroupHook::InetSockCreate).attach(&program)?);
    keep(CgroupAttach::to("/sys/fs/cgroup/web", CgroupHook::Inet4Connect).attach(&program)?);
    keep(CgroupAttach::to("/sys/fs/cgroup/web", CgroupHook::Getsockopt).attach(&program)?);
    keep(CgroupAttach::to("/sys/fs/cgroup/web", CgroupHook::Sysctl).attach(&program)?);
    keep(CgroupAttach::to("/sys/fs/cgroup/web", CgroupHook::SockOps).attach(&program)?);
    keep(CgroupAttach::to("/sys/fs/cgroup/web", CgroupHook::Lsm).attach(&program)?);
    keep(XdpAttach::to("eth0").attach(&program)?);
    keep(XdpAttach::to("eth0").mode(XdpMode::Skb).attach(&program)?);
    keep(TcxAttach::to("eth0", TcxHook::Ingress).attach(&program)?);
    keep(NetnsAttach::to("/run/netns/blue", NetnsHook::SkLookup).attach(&program)?);
    keep(NetnsAttach::to("/run/netns/blue", NetnsHook::FlowDissector).attach(&program)?);
    keep(SockmapAttach::to(&map, SockmapHook::MsgVerdict).attach(&program)?);
    keep(SockmapAttach::to(&map, SockmapHook::SkbStreamVerdict).attach(&program)?);
    keep(TracingAttach::to(TracingHook::Fentry).attach(&program)?);
    keep(TracingAttach::to(TracingHook::Fexit).attach(&program)?);
    keep(TracingAttach::to(TracingHook::LsmMac).attach(&program)?);
    keep(RawTracepointAttach::to_load_time_target().attach(&program)?);
    keep(RawTracepointAttach::to("sched_switch").attach(&program)?);
    keep(PerfEventAttach::to(TracepointEvent::new("sched", "sched_switch")).attach(&program)?);
    keep(PerfEventAttach::to(KprobeEvent::at("tcp_sendmsg", 0)).attach(&program)?);
    keep(
        UprobeMultiAttach::in_binary(&library, When::Entry, [library.function("SSL_write")?])
            .attach(&program)?,
    );
    keep(
        PerfEventAttach::to(UprobeEvent::in_binary(
            &library,
            library.function("SSL_write")?,
        ))
        .attach(&program)?,
    );
    keep(library.offset_of(0x1136)?);
    keep(
        PerfEventAttach::to(CounterEvent::with_frequency(SoftwareEvent::CpuClock, 99).processor(0))
            .attach(&program)?,
    );
    keep(IterAttach::over_all().attach(&program)?);
    keep(iter_link.create_iter()?);
    keep(TracingAttach::extension().attach(&program)?);
    keep(TracingAttach::extension_of(&target, "classify").attach(&program)?);
    keep(PerfEventAttach::to(KprobeEvent::at("tcp_sendmsg", 0).on_return()).attach(&program)?);
    keep(
        PerfEventAttach::to(
            CounterEvent::with_period(SoftwareEvent::PageFaults, 1)
                .thread(7)
                .inherit(),
        )
        .attach(&program)?,
    );
    keep(
        UprobeMultiAttach::in_binary(&library, When::Entry, [0x1136])
            .pid(7)
            .attach(&program)?,
    );
    keep([
        CgroupHook::InetIngress,
        CgroupHook::InetSockRelease,
        CgroupHook::Inet4PostBind,
        CgroupHook::Inet6PostBind,
        CgroupHook::Setsockopt,
    ]);
    keep([SockmapHook::SkbStreamParser, SockmapHook::SkbVerdict]);
    Ok(())
}

fn order() -> Result<()> {
    let program: File = given();
    let other: File = given();
    let link: Link = given();
    let program_id: ProgramId = given();
    keep(
        TcxAttach::to("eth0", TcxHook::Ingress)
            .position(Position::First)
            .attach(&program)?,
    );
    keep(TcxAttach::to("eth0", TcxHook::Ingress).position(Position::Last));
    keep(Position::Before(Anchor::link(&link)));
    keep(Position::After(Anchor::link(&link)));
    keep(Position::Before(Anchor::program(&other)));
    keep(Position::After(Anchor::program(&other)));
    keep(Position::Before(Anchor::ProgramId(program_id)));
    keep(Position::After(Anchor::ProgramId(program_id)));
    Ok(())
}

fn pin_update_and_detach() -> Result<()> {
    let old: File = given();
    let new: File = given();
    let link: Link = given();
    let mut xdp_link: XdpLink = given();
    let tcx_link: TcxLink = given();
    let cgroup_link: CgroupLink = given();
    xdp_link.pin("/sys/fs/bpf/eth0")?;
    keep(XdpLink::from_pinned("/sys/fs/bpf/eth0")?);
    keep(Link::from_pinned("/sys/fs/bpf/eth0")?);
    xdp_link.unpin()?;
    xdp_link.update(&new)?;
    xdp_link.replace(&old, &new)?;
    tcx_link.update(&new)?;
    cgroup_link.update(&new)?;
    xdp_link.detach()?;
    drop(link);
    Ok(())
}

fn read_and_list() -> Result<()> {
    let program: File = given();
    let link: Link = given();
    let xdp_link: XdpLink = given();
    let program_id: ProgramId = given();
    for link in links() {
        println!("{:?}", link?.info()?);
    }
    keep(xdp_link.info()?);
    keep(xdp_link.id()?);
    keep(xdp_link.info()?.id);
    keep(xdp_link.info()?.program_id);
    keep(link.kind());
    keep(TcxHook::Ingress.query("eth0")?);
    keep(CgroupHook::Device.query("/sys/fs/cgroup/web")?);
    keep(ProgramInfo::of(&program)?);
    keep(ProgramInfo::from_id(program_id)?);
    keep(ProgramInfo::from_id(program_id)?.whole_name()?);
    keep(bpf_link::open_pinned_program("/sys/fs/bpf/program")?);
    keep(bpf_link::open_program(program_id)?);
    keep(PerfEventLink::probe());
    keep(UprobeMultiLink::probe());
    keep(KernelFunctions::all()?);
    keep(KernelFunctions::all()?.syscall("openat")?);
    Ok(())
}
