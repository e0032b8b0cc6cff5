//! The hooks of the agents.

use anyhow::Result;
use bpf_link_typed::ensure::Ours;
use bpf_link_typed::{
    CgroupAttach, CgroupHook, LinkSet, NetnsAttach, NetnsHook, PerfEventAttach,
    RawTracepointAttach, TcxAttach, TcxHook, TracepointEvent, XdpAttach,
};

use crate::{Programs, Settings};

/// What happens to the link of a hook when another agent takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It is updated: exactly one of the two programs counts a packet.
    InPlace,
    /// A new link replaces it, and is attached first. In between, both programs count a packet. The
    /// old program runs until the old agent has exited, as such links cannot be detached.
    Overlap,
}

/// The hooks, by the names of their pins, in the order of `enum hook` in `bpf/agent.bpf.c`.
pub const HOOKS: [(&str, Way); 10] = [
    ("xdp", Way::InPlace),
    ("ingress", Way::InPlace),
    ("egress", Way::InPlace),
    ("cg_in", Way::InPlace),
    ("cg_out", Way::InPlace),
    ("sendmsg", Way::InPlace),
    ("recvmsg", Way::InPlace),
    ("lookup", Way::InPlace),
    ("received", Way::Overlap),
    ("queued", Way::Overlap),
];

/// How often a packet was counted, on each hook, by each version: `struct packet` of the programs.
pub type Packet = [[u32; 2]; HOOKS.len()];

/// What the program of a hook is called in C.
fn program_name(hook: &str) -> String {
    format!("agent_{hook}")
}

/// The links of an agent.
pub(crate) fn links<'a>(settings: &'a Settings, programs: &'a Programs) -> Result<LinkSet<'a>> {
    let program = |hook: &str| programs.get(&program_name(hook));
    let ours = HOOKS.map(|(hook, _)| Ours::by_name(program_name(hook)));
    let mut set = LinkSet::in_dir(settings.links())
        .create_dir(0o700)
        // If somebody has removed a pin, its link is not attached a second time.
        .take_over(Ours::any_of(ours));

    let device = settings.device.as_str();
    set.add("xdp", XdpAttach::to(device), program("xdp")?)?;
    let ingress = TcxAttach::to(device, TcxHook::Ingress);
    set.add("ingress", ingress, program("ingress")?)?;
    let egress = TcxAttach::to(device, TcxHook::Egress);
    set.add("egress", egress, program("egress")?)?;

    for (name, hook) in [
        ("cg_in", CgroupHook::InetIngress),
        ("cg_out", CgroupHook::InetEgress),
        ("sendmsg", CgroupHook::Udp4Sendmsg),
        ("recvmsg", CgroupHook::Udp4Recvmsg),
    ] {
        let to = CgroupAttach::to(settings.cgroup.as_path(), hook);
        set.add(name, to, program(name)?)?;
    }

    let lookup = NetnsAttach::to("/proc/self/ns/net", NetnsHook::SkLookup);
    set.add("lookup", lookup, program("lookup")?)?;
    let received = RawTracepointAttach::to(c"netif_receive_skb");
    set.add("received", received, program("received")?)?;
    let queued = TracepointEvent::new("net", "net_dev_queue").tracefs(settings.tracefs.as_path());
    set.add("queued", PerfEventAttach::to(queued), program("queued")?)?;
    Ok(set)
}
