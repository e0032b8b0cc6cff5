//! What `from-cilium-ebpf.md` says is written here.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::fd::OwnedFd;

use anyhow::Result;
use bpf_link::{LinkCreate, Update, UpdateFlags};
use bpf_link_typed::attach::When;
use bpf_link_typed::{
    Anchor, AttachType, Binary, CgroupAttach, CgroupHook, IterAttach, IterLink, KernelFunctions,
    KprobeEvent, KprobeMultiAttach, KprobeMultiLink, Link, LinkId, LinkInfo, NetfilterAttach,
    NetfilterFamily, NetfilterHook, NetkitAttach, NetkitHook, NetnsAttach, NetnsHook,
    PerfEventAttach, PerfEventDetails, PerfEventLink, Position, ProgramId, RawTracepointAttach,
    StructOpsAttach, TcxAttach, TcxHook, TracepointEvent, TracingAttach, TracingHook, UprobeEvent,
    UprobeMultiAttach, UprobeMultiLink, XdpAttach, XdpLink, XdpMode, links,
};

use crate::{given, keep};

fn attach() -> Result<()> {
    let program: File = given();
    let target: File = given();
    let map: File = given();
    let cgroup: File = given();
    let library: Binary = given();
    let functions: KernelFunctions = given();
    let iter_link: IterLink = given();
    keep(CgroupAttach::to("/sys/fs/cgroup/web", CgroupHook::InetEgress).attach(&program)?);
    keep(XdpAttach::to("eth0").attach(&program)?);
    keep(TcxAttach::to("eth0", TcxHook::Ingress).attach(&program)?);
    keep(NetkitAttach::to("nk0", NetkitHook::Primary).attach(&program)?);
    keep(NetnsAttach::to("/run/netns/blue", NetnsHook::SkLookup).attach(&program)?);
    keep(
        NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::LocalIn, -300)
            .attach(&program)?,
    );
    keep(TracingAttach::to(TracingHook::Fentry).attach(&program)?);
    keep(TracingAttach::as_loaded().attach(&program)?);
    keep(RawTracepointAttach::to_load_time_target().attach(&program)?);
    keep(
        TracingAttach::to(TracingHook::LsmMac)
            .cookie(7)
            .attach(&program)?,
    );
    keep(TracingAttach::extension_of(&target, "classify").attach(&program)?);
    keep(TracingAttach::extension().attach(&program)?);
    keep(RawTracepointAttach::to("sched_switch").attach(&program)?);
    keep(PerfEventAttach::to(TracepointEvent::new("sched", "sched_switch")).attach(&program)?);
    keep(PerfEventAttach::to(KprobeEvent::at("tcp_sendmsg", 0)).attach(&program)?);
    keep(
        PerfEventAttach::to(KprobeEvent::at("tcp_sendmsg", 0).on_return())
            .cookie(7)
            .attach(&program)?,
    );
    keep(
        PerfEventAttach::to(KprobeEvent::at_function(&functions.syscall("openat")?))
            .attach(&program)?,
    );
    keep(
        KprobeMultiAttach::to_symbols(When::Entry, ["vfs_read", "vfs_write"])
            .cookies([1, 2])
            .attach(&program)?,
    );
    keep(KprobeMultiAttach::matching(When::Entry, "vfs_*")?.attach(&program)?);
    keep(KprobeMultiAttach::to_symbols(When::Return, ["vfs_read", "vfs_write"]).attach(&program)?);
    keep(Binary::open("/usr/bin/bash")?);
    keep(Binary::library("libssl.so.3")?);
    keep(Binary::in_process(7, "libssl.so.3")?);
    keep(library.symbol_at(0x1136)?);
    keep(library.offset_of(0x1136)?);
    keep(
        PerfEventAttach::to(UprobeEvent::in_binary(
            &library,
            library.function("SSL_write")?,
        ))
        .attach(&program)?,
    );
    keep(
        PerfEventAttach::to(
            UprobeEvent::in_binary(&library, library.function("SSL_write")?)
                .on_return()
                .pid(7),
        )
        .cookie(7)
        .attach(&program)?,
    );
    keep(
        UprobeMultiAttach::in_binary(&library, When::Entry, [library.function("SSL_write")?])
            .attach(&program)?,
    );
    keep(UprobeMultiAttach::matching(&library, When::Entry, "SSL_*")?.attach(&program)?);
    keep(
        UprobeMultiAttach::in_binary(&library, When::Return, [library.function("SSL_write")?])
            .attach(&program)?,
    );
    keep(IterAttach::over_all().attach(&program)?);
    keep(IterAttach::over_map(&map).attach(&program)?);
    keep(iter_link.create_iter()?);
    keep(StructOpsAttach::of(&map).attach()?);
    keep(bpf_link::RawLink::create(
        &LinkCreate::new(&program, AttachType::CgroupInetEgress).target_fd(&cgroup),
    )?);
    keep(XdpAttach::to("eth0").mode(XdpMode::Skb));
    keep(TcxAttach::to("eth0", TcxHook::Ingress).expected_revision(7));
    keep(NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::LocalIn, -300).defragmented());
    keep(When::Session);
    Ok(())
}

fn order() -> Result<()> {
    let program: File = given();
    let other: File = given();
    let link: Link = given();
    let program_id: ProgramId = given();
    let link_id: LinkId = given();
    keep(
        TcxAttach::to("eth0", TcxHook::Ingress)
            .position(Position::First)
            .attach(&program)?,
    );
    keep(TcxAttach::to("eth0", TcxHook::Ingress).position(Position::Last));
    keep(Position::Before(Anchor::link(&link)));
    keep(Position::Before(Anchor::LinkId(link_id)));
    keep(Position::After(Anchor::link(&link)));
    keep(Position::After(Anchor::LinkId(link_id)));
    keep(Position::Before(Anchor::program(&other)));
    keep(Position::Before(Anchor::ProgramId(program_id)));
    keep(Position::After(Anchor::program(&other)));
    keep(Position::After(Anchor::ProgramId(program_id)));
    Ok(())
}

fn pin_update_and_detach() -> Result<()> {
    let old: File = given();
    let new: File = given();
    let link: Link = given();
    let mut xdp_link: XdpLink = given();
    xdp_link.pin("/sys/fs/bpf/eth0")?;
    xdp_link.unpin()?;
    keep(xdp_link.pin_path().is_some());
    keep(Link::from_pinned("/sys/fs/bpf/eth0")?);
    keep(XdpLink::from_pinned("/sys/fs/bpf/eth0")?);
    xdp_link.update(&new)?;
    xdp_link.replace(&old, &new)?;
    xdp_link.as_raw().update(
        Update::program(&new)
            .flags(UpdateFlags::REPLACE)
            .expecting(&old),
    )?;
    xdp_link.detach()?;
    drop(link);
    Ok(())
}

fn read_and_list() -> Result<()> {
    let link: Link = given();
    let xdp_link: XdpLink = given();
    let kprobe_multi_link: KprobeMultiLink = given();
    let uprobe_multi_link: UprobeMultiLink = given();
    let perf_event_link: PerfEventLink = given();
    let link_id: LinkId = given();
    let descriptor: OwnedFd = given();
    keep(Link::from_id(link_id)?);
    keep(Link::try_from(descriptor)?);
    keep(xdp_link.as_fd());
    keep(xdp_link.info()?);
    match link.info()? {
        LinkInfo::Xdp(info) => println!("{:?}", info.ifindex),
        info => println!("{info:?}"),
    }
    keep(kprobe_multi_link.info()?.addresses);
    keep(kprobe_multi_link.info()?.cookies);
    keep(uprobe_multi_link.info()?.offsets);
    keep(uprobe_multi_link.info()?.ref_ctr_offsets);
    keep(uprobe_multi_link.info()?.cookies);
    keep(uprobe_multi_link.info()?.pid);
    match perf_event_link.info()?.event {
        PerfEventDetails::Kprobe(kprobe) => println!("{:?}", kprobe.function),
        event => println!("{event:?}"),
    }
    for link in links() {
        println!("{:?}", link?.info()?);
    }
    keep(TcxHook::Ingress.query("eth0")?);
    keep(CgroupHook::InetEgress.query("/sys/fs/cgroup/web")?);
    keep(CgroupHook::InetEgress.query_effective("/sys/fs/cgroup/web")?);
    keep(TcxHook::Ingress.query("eth0")?.has_links);
    keep(TcxHook::Ingress.query("eth0")?.programs);
    Ok(())
}
