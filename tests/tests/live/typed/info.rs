//! Info: each field of the kinds that are about devices, namespaces, cgroups, callbacks and objects, as its type has it.

use std::os::fd::AsFd as _;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{IterArgs, IterCgroup, IterTask, LinkCreate, MprogArgs, NetfilterArgs, RawLink};
use bpf_link_sys::{NF_INET_LOCAL_OUT, NFPROTO_IPV6};
use bpf_link_tests::{
    CongestionControl, Device, DeviceKind, Hook, Map, Netns, Program, Sandbox, device,
    eventually_holds, iterator,
};
use bpf_link_typed::{
    AttachType, CgroupIterOrder, CgroupLink, InfoBuf, IterLink, IterTarget, MapId, NetfilterFlags,
    NetfilterLink, NetkitLink, NetnsLink, ProgramId, SockmapLink, StructOpsLink, TcxLink, XdpLink,
};

use crate::fixture::{LOOPBACK, xdp as on_loopback};
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(cgroup),
    test!(cgroup_that_goes),
    test!(iter),
    test!(iter_of_tasks_and_cgroups).needs(&[Need::Member("bpf_link_info", "iter.task")]),
    test!(netfilter).needs(Need::NETFILTER),
    test!(netkit).needs(Need::NETKIT),
    test!(netns),
    test!(sockmap).needs(Need::SOCKMAP),
    test!(struct_ops).needs(Need::STRUCT_OPS),
    test!(tcx).needs(Need::TCX),
    test!(xdp),
    test!(xdp_whose_device_goes).needs(&[Need::Device(DeviceKind::Veth)]),
];

/// What this kernel reports: the value since that Linux, nothing before.
pub(crate) fn since<T>(major: u32, minor: u32, value: T) -> Result<Option<T>> {
    let reported = Need::Linux(major, minor).missing()?.is_none();
    Ok(reported.then_some(value))
}

pub(crate) fn id_of(program: &Program) -> Result<Option<ProgramId>> {
    Ok(ProgramId::new(program.id()?))
}

pub(crate) fn request(program: &Program, hook: Hook) -> LinkCreate<'_> {
    LinkCreate::new(program, AttachType::from_raw(hook.attach_type))
}

fn cgroup(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("typed")?;
    for hook in [Hook::CGROUP_EGRESS, Hook::CGROUP_SOCK_CREATE] {
        let program = Program::passing(hook)?;
        let link = RawLink::create(&request(&program, hook).target_fd(&cgroup))?;
        let link = CgroupLink::try_from(link)?;
        let info = link.info()?;
        ensure!(info.id == link.id()? && info.program_id == id_of(&program)?);
        ensure!(info.cgroup_id == Some(cgroup.id()?), "{info:?}");
        ensure!(info.attach_type.as_raw() == hook.attach_type, "{info:?}");
        ensure!(info.is_defunct() == Some(false));
        link.detach()?;
        let detached = link.info()?;
        ensure!(detached.is_defunct() == Some(true) && detached.cgroup_id.is_none());
        ensure!(detached.attach_type == info.attach_type);
        ensure!(detached.program_id == info.program_id);
    }
    Ok(())
}

fn cgroup_that_goes(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("typed")?;
    let hook = Hook::CGROUP_EGRESS;
    let program = Program::passing(hook)?;
    let link = RawLink::create(&request(&program, hook).target_fd(&cgroup))?;
    let link = CgroupLink::try_from(link)?;
    cgroup.remove()?;
    eventually_holds("the link knows", || {
        Ok(link.info()?.is_defunct() == Some(true))
    })
}

fn netns(_sandbox: &Sandbox) -> Result<()> {
    let netns = Netns::create()?;
    for hook in [Hook::FLOW_DISSECTOR, Hook::SK_LOOKUP] {
        let program = Program::passing(hook)?;
        let link = RawLink::create(&request(&program, hook).target_fd(&netns))?;
        let link = NetnsLink::try_from(link)?;
        let info = link.info()?;
        ensure!(info.id == link.id()? && info.program_id == id_of(&program)?);
        ensure!(info.netns_ino.map(u64::from) == Some(netns.inode()?));
        ensure!(info.attach_type.as_raw() == hook.attach_type, "{info:?}");
        ensure!(info.is_defunct() == Some(false));
        link.detach()?;
        let info = link.info()?;
        ensure!(info.is_defunct() == Some(true) && info.netns_ino.is_none());
    }
    Ok(())
}

fn xdp(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    let link = XdpLink::try_from(on_loopback(&program)?)?;
    let info = link.info()?;
    ensure!(info.id == link.id()? && info.program_id == id_of(&program)?);
    ensure!(info.ifindex == Some(LOOPBACK) && info.is_defunct() == Some(false));
    link.detach()?;
    let info = link.info()?;
    ensure!(info.ifindex.is_none() && info.is_defunct() == Some(true));
    ensure!(info.program_id == id_of(&program)?);
    Ok(())
}

fn xdp_whose_device_goes(_sandbox: &Sandbox) -> Result<()> {
    let device = Device::create(DeviceKind::Veth, "typed")?;
    let program = Program::passing(Hook::XDP)?;
    let request = request(&program, Hook::XDP).target_ifindex(device.index());
    let link = XdpLink::try_from(RawLink::create(&request)?)?;
    ensure!(link.info()?.ifindex == Some(device.index()));
    device.delete()?;
    eventually_holds("the link knows", || {
        Ok(link.info()?.is_defunct() == Some(true))
    })
}

fn tcx(_sandbox: &Sandbox) -> Result<()> {
    for hook in [Hook::TCX_INGRESS, Hook::TCX_EGRESS] {
        let program = Program::passing(hook)?;
        let request = request(&program, hook)
            .target_ifindex(LOOPBACK)
            .args(MprogArgs::new());
        let link = TcxLink::try_from(RawLink::create(&request)?)?;
        let info = link.info()?;
        ensure!(info.program_id == id_of(&program)? && info.ifindex == Some(LOOPBACK));
        ensure!(info.attach_type.as_raw() == hook.attach_type, "{info:?}");
        ensure!(info.is_defunct() == Some(false));
        link.detach()?;
        ensure!(link.info()?.is_defunct() == Some(true));
    }
    Ok(())
}

/// For the peer it is the index of the peer, though the primary end was asked for.
fn netkit(_sandbox: &Sandbox) -> Result<()> {
    let device = Device::create(DeviceKind::Netkit, "typed")?;
    let peer = device::index_of(&device::peer_name("typed"))?;
    for (hook, index) in [
        (Hook::NETKIT_PRIMARY, device.index()),
        (Hook::NETKIT_PEER, peer),
    ] {
        let program = Program::passing(hook)?;
        let request = request(&program, hook).target_ifindex(device.index());
        let link = NetkitLink::try_from(RawLink::create(&request)?)?;
        let info = link.info()?;
        ensure!(info.program_id == id_of(&program)?);
        ensure!(info.ifindex == Some(index), "{info:?} and not {index}");
        ensure!(info.attach_type.as_raw() == hook.attach_type, "{info:?}");
        link.detach()?;
        ensure!(link.info()?.is_defunct() == Some(true));
    }
    Ok(())
}

fn sockmap(_sandbox: &Sandbox) -> Result<()> {
    let (hook, map) = (Hook::SK_MSG_VERDICT, Map::sockmap(2)?);
    let program = Program::passing(hook)?;
    let link = RawLink::create(&request(&program, hook).target_fd(&map))?;
    let link = SockmapLink::try_from(link)?;
    let info = link.info()?;
    ensure!(info.program_id == id_of(&program)? && info.map_id == MapId::new(map.id()?));
    ensure!(info.attach_type == AttachType::SkMsgVerdict && info.is_defunct() == Some(false));
    link.detach()?;
    let info = link.info()?;
    ensure!(info.map_id.is_none() && info.is_defunct() == Some(true));
    Ok(())
}

fn struct_ops(_sandbox: &Sandbox) -> Result<()> {
    let map = CongestionControl::new("typed")?;
    let link = StructOpsLink::try_from(RawLink::create(&LinkCreate::struct_ops(&map))?)?;
    let info = link.info()?;
    ensure!(info.program_id.is_none() && info.map_id == MapId::new(map.id()?));
    ensure!(info.is_defunct() == Some(false));
    if Need::Linux(6, 11).missing()?.is_none() {
        link.detach()?;
        let info = link.info()?;
        ensure!(info.map_id.is_none() && info.is_defunct() == Some(true));
    }
    Ok(())
}

fn netfilter(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::NETFILTER)?;
    let args = NetfilterArgs::new(NFPROTO_IPV6, NF_INET_LOCAL_OUT, -123);
    let link = RawLink::create(&request(&program, Hook::NETFILTER).args(args))?;
    let link = NetfilterLink::try_from(link)?;
    let info = link.info()?;
    ensure!(info.program_id == id_of(&program)?);
    ensure!((info.family, info.hook, info.priority) == (NFPROTO_IPV6, NF_INET_LOCAL_OUT, -123));
    ensure!(info.flags == NetfilterFlags::empty() && info.is_defunct().is_none());
    link.detach()?;
    ensure!(link.info()? == info, "it says that it was detached");
    Ok(())
}

fn iter_info(target: &str, args: Option<IterArgs<'_>>) -> Result<IterTarget> {
    let program = iterator(target, *b"element\n")?;
    let mut request = LinkCreate::new(&program, AttachType::TraceIter);
    if let Some(args) = args {
        request = request.args(args);
    }
    let link = IterLink::try_from(RawLink::create(&request)?)?;
    let mut buf = InfoBuf::new();
    let info = link.info_in(&mut buf)?;
    ensure!(info.program_id == id_of(&program)? && info.is_defunct() == Some(false));
    let name = info.target_name.context("no name")?;
    ensure!(name.to_str()? == target, "{info:?}");
    ensure!(info.into_owned() == link.info()?);
    Ok(info.target)
}

fn iter(_sandbox: &Sandbox) -> Result<()> {
    ensure!(iter_info("bpf_map", None)? == IterTarget::All);
    ensure!(iter_info("task", None)? == IterTarget::All);
    let map = Map::hash(4, 4, 1)?;
    let target = iter_info("bpf_map_elem", Some(IterArgs::map(&map)))?;
    let id = MapId::new(map.id()?).context("no id")?;
    ensure!(target == IterTarget::Map(id), "{target:?}");
    Ok(())
}

fn iter_of_tasks_and_cgroups(sandbox: &Sandbox) -> Result<()> {
    let process = std::process::id();
    for target in ["task", "task_file"] {
        let tid = iter_info(target, Some(IterArgs::Task(IterTask::Tid(process))))?;
        ensure!(tid == IterTarget::Tid(process), "{tid:?}");
        let pid = iter_info(target, Some(IterArgs::Task(IterTask::Pid(process))))?;
        ensure!(pid == IterTarget::Pid(process), "{pid:?}");
    }
    let cgroup = sandbox.new_cgroup("typed")?;
    for order in [CgroupIterOrder::SelfOnly, CgroupIterOrder::DescendantsPost] {
        let args = IterArgs::Cgroup {
            cgroup: IterCgroup::Fd(cgroup.as_fd()),
            order,
        };
        let target = iter_info("cgroup", Some(args))?;
        let cgroup_id = cgroup.id()?;
        ensure!(
            target == IterTarget::Cgroup { cgroup_id, order },
            "{target:?}"
        );
    }
    Ok(())
}
