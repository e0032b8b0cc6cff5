//! netkit links over restarts and upgrades.

use anyhow::Result;
use bpf_link_tests::{Device, DeviceKind, Hook, Sandbox, device};
use bpf_link_typed::{NetkitAttach, NetkitHook};

use crate::ensure::places::check_places;
use crate::ensure::suite::Way;
use crate::fixture::traffic::send_frame;
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[test!(over_restarts).needs(Need::NETKIT)];

fn over_restarts(sandbox: &Sandbox) -> Result<()> {
    let device = Device::create(DeviceKind::Netkit, "kit")?;
    let peer = device::index_of(&device::peer_name("kit"))?;
    let here = NetkitAttach::to("kit", NetkitHook::Peer);
    let elsewhere = NetkitAttach::to("kit", NetkitHook::Primary);
    check_places(
        sandbox,
        Hook::NETKIT_PEER,
        [here, elsewhere],
        &|_| send_frame(peer, device.index()),
        Way::InPlace,
    )
}
