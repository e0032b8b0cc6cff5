//! A hook that is taken: the error says by which program, and by which link.

use std::fmt::Debug;
use std::os::fd::AsFd as _;

use anyhow::{Result, bail, ensure};
use bpf_link::ProgramId;
use bpf_link_tests::{Hook, Map, Program, Sandbox, device};
use bpf_link_typed::{
    CgroupAttach, CgroupHook, Error, FileRef, HolderLink, NetnsAttach, NetnsHook, SockmapAttach,
    SockmapHook, TcxAttach, TcxHook, XdpAttach, XdpMode,
};

use crate::fixture::LOOPBACK;
use crate::fixture::chain::check_refusal;
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(a_device_with_a_link).alone(),
    test!(a_device_without_a_link).alone(),
    test!(a_cgroup).alone(),
    test!(a_network_namespace).alone(),
    test!(a_sockmap)
        .alone()
        .needs(Need::SOCKMAP)
        .also_needs(&[Need::Function("sock_map_bpf_prog_query")]),
    test!(tcx).needs(Need::TCX),
];

/// Holds that the hook is taken, and that the error names this program and its link.
fn check_taken<T: Debug>(
    result: Result<T, Error>,
    hook: &str,
    program: &Program,
    link: HolderLink,
) -> Result<()> {
    let named = format!("program {} ({})", program.id()?, program.name()?);
    let by = match link {
        HolderLink::Link(id) => format!("{named} of link {id}"),
        HolderLink::WithoutLink => format!("{named} without a link"),
        _ => named,
    };
    let error = check_refusal(result, &[hook, &by])?;
    let Error::HookTaken { holders, .. } = &error else {
        bail!("{error:?}");
    };
    let Some(holder) = holders.first() else {
        bail!("nobody has the hook: {error:?}");
    };
    ensure!(holder.program == ProgramId::new(program.id()?));
    ensure!(holder.name.to_str()? == program.name()?, "{holder:?}");
    ensure!(holder.link == link, "{holder:?}");
    Ok(())
}

fn a_device_with_a_link(_sandbox: &Sandbox) -> Result<()> {
    let (one, two) = (Program::passing(Hook::XDP)?, Program::passing(Hook::XDP)?);
    let to = XdpAttach::to("lo").mode(XdpMode::Skb);
    let link = to.attach(&one)?;
    check_taken(to.attach(&two), "lo", &one, HolderLink::Link(link.id()?))
}

fn a_device_without_a_link(_sandbox: &Sandbox) -> Result<()> {
    let (one, two) = (Program::passing(Hook::XDP)?, Program::passing(Hook::XDP)?);
    device::set_xdp(LOOPBACK, Some(one.as_fd()), None)?;
    let to = XdpAttach::to("lo").mode(XdpMode::Skb);
    check_taken(to.attach(&two), "lo", &one, HolderLink::WithoutLink)
}

/// Which takes 64 programs.
fn a_cgroup(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("full")?;
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    let to = CgroupAttach::to(FileRef::fd(&cgroup), CgroupHook::InetEgress);
    let mut links = Vec::new();
    for _ in 0..64 {
        links.push(to.attach(&program)?);
    }
    let Err(Error::HookTaken { holders, .. }) = to.attach(&program) else {
        bail!("it takes more than 64");
    };
    let mut found: Vec<_> = holders.iter().map(|holder| holder.link).collect();
    let mut expected = Vec::new();
    for link in &links {
        expected.push(HolderLink::Link(link.id()?));
    }
    let id = |link: &HolderLink| match link {
        HolderLink::Link(id) => id.get(),
        _ => 0,
    };
    found.sort_by_key(id);
    expected.sort_by_key(id);
    ensure!(found == expected, "{found:?}");
    Ok(())
}

fn a_network_namespace(_sandbox: &Sandbox) -> Result<()> {
    let (one, two) = (
        Program::passing(Hook::FLOW_DISSECTOR)?,
        Program::passing(Hook::FLOW_DISSECTOR)?,
    );
    let path = "/proc/self/ns/net";
    let to = NetnsAttach::to(path, NetnsHook::FlowDissector);
    let link = to.attach(&one)?;
    check_taken(to.attach(&two), path, &one, HolderLink::Link(link.id()?))
}

fn a_sockmap(_sandbox: &Sandbox) -> Result<()> {
    let map = Map::sockmap(1)?;
    let hook = format!("map {}", map.id()?);
    let program = Program::passing(Hook::SK_MSG_VERDICT)?;
    let to = SockmapAttach::to(&map, SockmapHook::MsgVerdict);
    let link = to.attach(&program)?;
    check_taken(
        to.attach(&program),
        &hook,
        &program,
        HolderLink::Link(link.id()?),
    )
}

/// Which takes 63 programs, and lists them with their links in the order in which they run.
fn tcx(_sandbox: &Sandbox) -> Result<()> {
    let to = TcxAttach::to("lo", TcxHook::Ingress);
    let mut attached = Vec::new();
    for _ in 0..63 {
        let program = Program::passing(Hook::TCX_INGRESS)?;
        let link = to.attach(&program)?;
        attached.push((program, link));
    }
    let Some((first, link)) = attached.first() else {
        bail!("nothing is attached");
    };
    let link = HolderLink::Link(link.id()?);
    let another = Program::passing(Hook::TCX_INGRESS)?;
    check_taken(to.attach(&another), "lo", first, link)
}
