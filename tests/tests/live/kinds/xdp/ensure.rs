//! xdp links over restarts and upgrades.

use anyhow::Result;
use bpf_link_tests::{Device, DeviceKind, Hook, Sandbox};
use bpf_link_typed::XdpAttach;

use crate::ensure::places::check_places;
use crate::ensure::suite::Way;
use crate::fixture::traffic::send_packet;
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[test!(over_restarts)
    .alone()
    .needs(&[Need::Device(DeviceKind::Veth)])];

fn over_restarts(sandbox: &Sandbox) -> Result<()> {
    let _device = Device::create(DeviceKind::Veth, "other")?;
    let here = XdpAttach::to("lo");
    let elsewhere = XdpAttach::to("other");
    check_places(
        sandbox,
        Hook::XDP,
        [here, elsewhere],
        &|_| send_packet(),
        Way::OnlyInPlace,
    )
}
