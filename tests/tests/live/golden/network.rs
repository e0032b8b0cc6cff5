//! What programs decide about: cgroups, network namespaces and devices, sockets; and callbacks. Some also once they are detached.

use anyhow::Result;
use bpf_link::{
    AttachType, LinkCreate, LinkKind, MprogArgs, NetfilterArgs, NetfilterFlags, RawLink, XdpFlags,
};
use bpf_link_sys::{NF_INET_LOCAL_OUT, NFPROTO_IPV4};
use bpf_link_tests::{
    CongestionControl, Device, DeviceKind, Hook, Loader, Map, Netns, Program, Sandbox,
};

use super::Case;
use super::recorder::{Known, Recorder};
use crate::fixture::LOOPBACK;
use crate::harness::Need;

pub(crate) const CASES: &[Case] = &[
    Case::new("cgroup", &[], cgroup),
    Case::new("cgroup-detached", &[], cgroup_detached),
    Case::new("cgroup-lsm", Need::LSM, cgroup_lsm)
        .also_needs(&[Need::Constant("bpf_attach_type", "BPF_LSM_CGROUP")]),
    Case::new("netns-flow_dissector", &[], |_, recorder| {
        netns(recorder, Hook::FLOW_DISSECTOR, false)
    }),
    Case::new("netns-sk_lookup", &[], |_, recorder| {
        netns(recorder, Hook::SK_LOOKUP, false)
    }),
    Case::new("netns-detached", &[], |_, recorder| {
        netns(recorder, Hook::SK_LOOKUP, true)
    }),
    Case::new("xdp", &[], |_, recorder| xdp(recorder, false)),
    Case::new("xdp-detached", &[], |_, recorder| xdp(recorder, true)),
    Case::new("netfilter", Need::NETFILTER, netfilter),
    Case::new("tcx-ingress", Need::TCX, |_, recorder| {
        tcx(recorder, Hook::TCX_INGRESS, false)
    }),
    Case::new("tcx-egress", Need::TCX, |_, recorder| {
        tcx(recorder, Hook::TCX_EGRESS, false)
    }),
    Case::new("tcx-detached", Need::TCX, |_, recorder| {
        tcx(recorder, Hook::TCX_INGRESS, true)
    }),
    Case::new("netkit-primary", Need::NETKIT, |_, recorder| {
        netkit(recorder, Hook::NETKIT_PRIMARY, false)
    }),
    Case::new("netkit-peer", Need::NETKIT, |_, recorder| {
        netkit(recorder, Hook::NETKIT_PEER, false)
    }),
    Case::new("netkit-detached", Need::NETKIT, |_, recorder| {
        netkit(recorder, Hook::NETKIT_PEER, true)
    }),
    Case::new("sockmap-sk_msg_verdict", Need::SOCKMAP, |_, recorder| {
        sockmap(recorder, Hook::SK_MSG_VERDICT, false)
    }),
    Case::new("sockmap-sk_skb_verdict", Need::SOCKMAP, |_, recorder| {
        sockmap(recorder, Hook::SK_SKB_VERDICT, false)
    }),
    Case::new(
        "sockmap-sk_skb_stream_verdict",
        Need::SOCKMAP,
        |_, recorder| sockmap(recorder, Hook::SK_SKB_STREAM_VERDICT, false),
    ),
    Case::new("sockmap-detached", Need::SOCKMAP, |_, recorder| {
        sockmap(recorder, Hook::SK_MSG_VERDICT, true)
    }),
];

pub(crate) const CALLBACKS: &[Case] = &[
    Case::new("struct_ops", Need::STRUCT_OPS, |_, recorder| {
        struct_ops(recorder, false)
    }),
    Case::new("struct_ops-detached", Need::STRUCT_OPS, |_, recorder| {
        struct_ops(recorder, true)
    })
    .also_needs(&[Need::Linux(6, 11)]),
];

/// Records a link of this kind, detached or not.
fn record(
    recorder: &Recorder<'_>,
    kind: LinkKind,
    program: &Program,
    request: &LinkCreate<'_>,
    detached: bool,
) -> Result<()> {
    let link = RawLink::create(request)?;
    if detached {
        link.detach()?;
    }
    recorder.record(&link, &Known::of(kind, program)?)
}

fn request(program: &Program, hook: Hook) -> LinkCreate<'_> {
    LinkCreate::new(program, AttachType::from_raw(hook.attach_type))
}

fn on_a_cgroup(sandbox: &Sandbox, recorder: &Recorder<'_>, detached: bool) -> Result<()> {
    let hook = Hook::CGROUP_EGRESS;
    let (program, cgroup) = (Program::passing(hook)?, sandbox.new_cgroup("golden")?);
    let request = request(&program, hook).target_fd(&cgroup);
    record(recorder, LinkKind::Cgroup, &program, &request, detached)
}

fn cgroup(sandbox: &Sandbox, recorder: &Recorder<'_>) -> Result<()> {
    on_a_cgroup(sandbox, recorder, false)
}

fn cgroup_detached(sandbox: &Sandbox, recorder: &Recorder<'_>) -> Result<()> {
    on_a_cgroup(sandbox, recorder, true)
}

fn cgroup_lsm(sandbox: &Sandbox, recorder: &Recorder<'_>) -> Result<()> {
    let program = Loader::new(Hook::LSM_CGROUP)
        .function("bpf_lsm_socket_bind")?
        .returning(1)?;
    let cgroup = sandbox.new_cgroup("golden")?;
    let request = request(&program, Hook::LSM_CGROUP).target_fd(&cgroup);
    record(recorder, LinkKind::Cgroup, &program, &request, false)
}

fn netns(recorder: &Recorder<'_>, hook: Hook, detached: bool) -> Result<()> {
    let (program, netns) = (Program::passing(hook)?, Netns::current()?);
    let request = request(&program, hook).target_fd(&netns);
    record(recorder, LinkKind::Netns, &program, &request, detached)
}

fn xdp(recorder: &Recorder<'_>, detached: bool) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    let request = request(&program, Hook::XDP)
        .target_ifindex(LOOPBACK)
        .xdp_flags(XdpFlags::SKB_MODE);
    record(recorder, LinkKind::Xdp, &program, &request, detached)
}

fn struct_ops(recorder: &Recorder<'_>, detached: bool) -> Result<()> {
    let map = CongestionControl::new("golden")?;
    let link = RawLink::create(&LinkCreate::struct_ops(&map))?;
    if detached {
        link.detach()?;
    }
    recorder.record(&link, &Known::without_program(LinkKind::StructOps))
}

fn netfilter(_sandbox: &Sandbox, recorder: &Recorder<'_>) -> Result<()> {
    let program = Program::passing(Hook::NETFILTER)?;
    let plain = NetfilterArgs::new(NFPROTO_IPV4, NF_INET_LOCAL_OUT, -123);
    let request = request(&program, Hook::NETFILTER);
    // What puts fragments together may be in a module that is not there.
    let whole = request.args(plain.flags(NetfilterFlags::IP_DEFRAG));
    let link = RawLink::create(&whole).or_else(|_| RawLink::create(&request.args(plain)))?;
    recorder.record(&link, &Known::of(LinkKind::Netfilter, &program)?)
}

fn tcx(recorder: &Recorder<'_>, hook: Hook, detached: bool) -> Result<()> {
    let program = Program::passing(hook)?;
    let request = request(&program, hook)
        .target_ifindex(LOOPBACK)
        .args(MprogArgs::new().expected_revision(1));
    record(recorder, LinkKind::Tcx, &program, &request, detached)
}

fn netkit(recorder: &Recorder<'_>, hook: Hook, detached: bool) -> Result<()> {
    let program = Program::passing(hook)?;
    let device = Device::create(DeviceKind::Netkit, "golden")?;
    let request = request(&program, hook).target_ifindex(device.index());
    record(recorder, LinkKind::Netkit, &program, &request, detached)
}

fn sockmap(recorder: &Recorder<'_>, hook: Hook, detached: bool) -> Result<()> {
    let (program, map) = (Program::passing(hook)?, Map::sockmap(2)?);
    let request = request(&program, hook).target_fd(&map);
    record(recorder, LinkKind::Sockmap, &program, &request, detached)
}
