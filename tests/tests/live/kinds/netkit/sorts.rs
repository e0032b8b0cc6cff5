//! Every sort of netkit link, attached through its type with every option that it has.

use anyhow::{Context as _, Result};
use bpf_link::Hook as QueriedHook;
use bpf_link_tests::{Device, DeviceKind, Hook, Sandbox, device};
use bpf_link_typed::{Anchor, NetkitAttach, NetkitHook, Position};
use serde_json::json;

use crate::fixture::traffic::send_frame;
use crate::harness::{Need, Test, test};
use crate::suites::conformance::Counting;
use crate::suites::sorts::{SubKind, two};

pub(crate) const TESTS: &[Test] = &[
    test!(peer).needs(Need::NETKIT),
    test!(primary).needs(Need::NETKIT),
];

/// After another program, and only if the list is as it was then.
fn check(sandbox: &Sandbox, (hook, of): (Hook, NetkitHook)) -> Result<()> {
    let device = Device::create(DeviceKind::Netkit, "kit")?;
    let (primary, peer) = (device.index(), device::index_of(&device::peer_name("kit"))?);
    let (from, to) = match of {
        NetkitHook::Peer => (peer, primary),
        _ => (primary, peer),
    };
    let other = Counting::program(hook)?;
    let there = NetkitAttach::to("kit", of).attach(&other)?;
    let place = Position::After(Anchor::link(&there));
    SubKind {
        sandbox,
        programs: two(hook)?,
        attach: &|program| {
            let list = QueriedHook::of_device(of.attach_type(), primary).query()?;
            let revision = list.revision.context("the list has no revision")?;
            let to = NetkitAttach::to(primary, of).position(place);
            Ok(to.expected_revision(revision).attach(program)?.into())
        },
        info: &|_| Ok(json!({ "ifindex": from, "attach_type": of.attach_type() })),
        event: &|_| send_frame(from, to),
    }
    .check()
}

fn peer(sandbox: &Sandbox) -> Result<()> {
    check(sandbox, (Hook::NETKIT_PEER, NetkitHook::Peer))
}

fn primary(sandbox: &Sandbox) -> Result<()> {
    check(sandbox, (Hook::NETKIT_PRIMARY, NetkitHook::Primary))
}
