//! What is known about links, hooks and programs.

use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};

use anyhow::Result;
use bpf_link_typed::{
    AttachType, CgroupHook, KernelFunctions, KprobeMultiLink, Link, LinkId, LinkInfo, LinkKind,
    PerfEventDetails, PerfEventLink, ProgramId, ProgramInfo, ProgramType, TcxHook, UprobeMultiLink,
    XdpLink, link_ids, links,
};

use super::{given, keep};

fn compiled() -> Result<()> {
    let program: File = given();
    let link: Link = given();
    let program_id: ProgramId = given();
    let xdp_link: XdpLink = given();
    let link_id: LinkId = given();
    let kprobe_multi_link: KprobeMultiLink = given();
    let uprobe_multi_link: UprobeMultiLink = given();
    let perf_event_link: PerfEventLink = given();
    let descriptor: OwnedFd = given();
    for link in links() {
        println!("{:?}", link?.info()?);
    }
    keep(xdp_link.id()?);
    keep(xdp_link.info()?.id);
    keep(xdp_link.info()?.program_id);
    keep(link.kind());
    keep(CgroupHook::Device.query("/sys/fs/cgroup/web")?);
    keep(ProgramInfo::of(&program)?);
    keep(ProgramInfo::from_id(program_id)?.whole_name()?);
    keep(bpf_link_typed::open_pinned_program("/sys/fs/bpf/program")?);
    keep(bpf_link::open_program(program_id)?);
    keep(PerfEventLink::probe());
    keep(UprobeMultiLink::probe());
    keep(KernelFunctions::all()?.syscall("openat")?);
    keep(Link::from_id(link_id)?);
    keep(xdp_link.as_fd());
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
    keep(CgroupHook::InetEgress.query("/sys/fs/cgroup/web")?);
    keep(CgroupHook::InetEgress.query_effective("/sys/fs/cgroup/web")?);
    keep(TcxHook::Ingress.query("eth0")?.has_links);
    keep(TcxHook::Ingress.query("eth0")?.programs);
    keep(link_ids());
    keep(bpf_link::xdp_programs(2)?);
    keep(LinkKind::Xdp.name());
    keep(AttachType::Xdp.name());
    keep(ProgramType::Xdp.name());
    keep(Link::try_from(descriptor)?.info()?);
    Ok(())
}
