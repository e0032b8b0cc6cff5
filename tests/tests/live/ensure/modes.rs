//! The mode of xdp over restarts and upgrades.

use anyhow::{Result, ensure};
use bpf_link_tests::{Device, DeviceKind, Hook, Program, Sandbox, device};
use bpf_link_typed::{
    Attach as _, Error, XdpAttach, XdpMode,
    ensure::{Outcome, Why},
};

use crate::ensure::end::{ensure_nothing_left, ensure_one_link_and_pin};
use crate::ensure::id_of;
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(a_mode_that_falls_back).needs(VETH),
    test!(another_mode).needs(VETH),
    test!(the_way_back_is_in_the_old_mode).needs(VETH),
    test!(without_a_mode_either_will_do).needs(VETH),
];

const VETH: &[Need] = &[Need::Device(DeviceKind::Veth)];

fn is_other_mode(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Replaced {
            why: Why::OtherOptions,
            gap: true,
            ..
        }
    )
}

/// There and back, with another program and with the same.
fn another_mode(sandbox: &Sandbox) -> Result<()> {
    let device = Device::create(DeviceKind::Veth, "mode")?;
    let pin = sandbox.bpffs().join("pin");
    let programs = [Program::passing(Hook::XDP)?, Program::passing(Hook::XDP)?];
    let to = |mode| XdpAttach::to("mode").mode(mode).ensure_pinned(&pin);
    to(XdpMode::Skb).run(&programs[0])?;
    for (mode, program) in [
        (XdpMode::Drv, &programs[1]),
        (XdpMode::Skb, &programs[1]),
        (XdpMode::Drv, &programs[0]),
    ] {
        let done = to(mode).run(program)?;
        ensure!(is_other_mode(done.outcome), "{mode:?}: {done:?}");
        let found = bpf_link::xdp_programs(device.index())?;
        let found = match mode {
            XdpMode::Skb => found.generic,
            _ => found.driver,
        };
        ensure!(found == Some(id_of(program)?), "{mode:?}");
        ensure!(to(mode).run(program)?.outcome == Outcome::AlreadyRunning);
        ensure_one_link_and_pin(sandbox, &pin)?;
    }
    std::fs::remove_file(&pin)?;
    ensure_nothing_left(sandbox)
}

/// The driver where it has one, otherwise the generic path: a restart makes no gap either way.
fn a_mode_that_falls_back(sandbox: &Sandbox) -> Result<()> {
    let _device = Device::create(DeviceKind::Veth, "mode")?;
    let pin = sandbox.bpffs().join("pin");
    // `lo` has no driver that runs programs. One of the links on `mode` is in the other mode.
    for (name, first) in [
        ("lo", XdpMode::DrvThenSkb),
        ("mode", XdpMode::DrvThenSkb),
        ("mode", XdpMode::Skb),
    ] {
        let to = |mode| XdpAttach::to(name).mode(mode).ensure_pinned(&pin);
        let programs = [Program::passing(Hook::XDP)?, Program::passing(Hook::XDP)?];
        let id = to(first).run(&programs[0])?.link.id()?;
        let to = to(XdpMode::DrvThenSkb);
        let same = to.run(&programs[0])?;
        ensure!(same.outcome == Outcome::AlreadyRunning, "{name}: {same:?}");
        let done = to.run(&programs[1])?;
        ensure!(
            matches!(done.outcome, Outcome::Updated { .. }) && done.link.id()? == id,
            "{name}: {done:?}"
        );
        drop(same);
        ensure_one_link_and_pin(sandbox, &pin)?;
        done.link.detach_and_unpin()?;
    }
    ensure_nothing_left(sandbox)
}

/// So that a restart makes no gap.
fn without_a_mode_either_will_do(sandbox: &Sandbox) -> Result<()> {
    let _device = Device::create(DeviceKind::Veth, "mode")?;
    let pin = sandbox.bpffs().join("pin");
    let to = XdpAttach::to("mode");
    let skb = to.clone().mode(XdpMode::Skb);
    skb.ensure_pinned(&pin).run(&Program::passing(Hook::XDP)?)?;
    let done = to.ensure_pinned(&pin).run(&Program::passing(Hook::XDP)?)?;
    ensure!(matches!(done.outcome, Outcome::Updated { .. }), "{done:?}");
    done.link.detach_and_unpin()?;
    ensure_nothing_left(sandbox)
}

/// The driver refuses any program while the other end of the wire sends packets that do not fit a
/// page. Without a mode, the kernel would ask the driver for the old program, too.
fn the_way_back_is_in_the_old_mode(sandbox: &Sandbox) -> Result<()> {
    const LARGEST: u32 = 65_535;
    let device = Device::create(DeviceKind::Veth, "mode")?;
    let pin = sandbox.bpffs().join("pin");
    let old = Program::passing(Hook::XDP)?;
    let to = |mode| XdpAttach::to("mode").mode(mode).ensure_pinned(&pin);
    to(XdpMode::Skb).run(&old)?;
    let peer = device::index_of(&device::peer_name("mode"))?;
    device::set_mtu(peer, LARGEST)?;
    let refused = to(XdpMode::Drv).run(&Program::passing(Hook::XDP)?);
    ensure!(
        matches!(&refused, Err(error @ Error::OldProgramPutBack { .. })
            if error.errno() == Some(libc::ERANGE)),
        "{refused:?}"
    );
    let found = bpf_link::xdp_programs(device.index())?;
    ensure!(
        found.generic == Some(id_of(&old)?) && found.driver.is_none(),
        "{found:?}"
    );
    let done = to(XdpMode::Skb).run(&old)?;
    ensure!(done.outcome == Outcome::AlreadyRunning, "{done:?}");
    ensure_one_link_and_pin(sandbox, &pin)?;
    done.link.detach_and_unpin()?;
    ensure_nothing_left(sandbox)
}
