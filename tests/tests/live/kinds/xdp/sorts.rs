//! Every sort of xdp link, attached through its type with every option that it has.

use anyhow::Result;
use bpf_link_tests::{Device, DeviceKind, Hook, Sandbox, device};
use bpf_link_typed::{Link, XdpAttach, XdpMode};
use serde_json::json;

use crate::fixture::LOOPBACK;
use crate::fixture::traffic::{send_frame, send_packet};
use crate::harness::{Need, Test, test};
use crate::suites::sorts::{SubKind, two};

pub(crate) const TESTS: &[Test] = &[
    test!(in_the_driver).needs(&[Need::Device(DeviceKind::Veth)]),
    test!(in_whichever_mode),
    test!(on_packets),
];

fn check(
    sandbox: &Sandbox,
    (to, ifindex): (&XdpAttach, u32),
    event: &dyn Fn(Option<&Link>) -> Result<()>,
) -> Result<()> {
    SubKind {
        sandbox,
        programs: two(Hook::XDP)?,
        attach: &|program| Ok(to.attach(program)?.into()),
        info: &|_| Ok(json!({ "ifindex": ifindex })),
        event,
    }
    .check()
}

fn in_the_driver(sandbox: &Sandbox) -> Result<()> {
    let device = Device::create(DeviceKind::Veth, "driver")?;
    let (index, peer) = (
        device.index(),
        device::index_of(&device::peer_name("driver"))?,
    );
    let to = XdpAttach::to("driver").mode(XdpMode::Drv);
    check(sandbox, (&to, index), &|_| send_frame(peer, index))
}

fn in_whichever_mode(sandbox: &Sandbox) -> Result<()> {
    check(sandbox, (&XdpAttach::to("lo"), LOOPBACK), &|_| {
        send_packet()
    })
}

fn on_packets(sandbox: &Sandbox) -> Result<()> {
    let to = XdpAttach::to(LOOPBACK).mode(XdpMode::Skb);
    check(sandbox, (&to, LOOPBACK), &|_| send_packet())
}
