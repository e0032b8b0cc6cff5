//! Attaching through the types of the kinds: what is not about one kind.

use anyhow::{Result, ensure};
use bpf_link_tests::{Device, DeviceKind, Hook, Netns, Program, Sandbox, pins};
use bpf_link_typed::{Error, NetnsAttach, NetnsHook, XdpAttach, XdpMode};

use crate::fixture::attaching::{counting, counts, ensure_error, id_of};
use crate::fixture::traffic::send_packet;
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(a_program_of_another_crate),
    test!(interfaces_by_name)
        .alone()
        .needs(&[Need::Device(DeviceKind::Veth)]),
];

/// One that was opened, from a pin, by a crate that loads programs.
fn a_program_of_another_crate(sandbox: &Sandbox) -> Result<()> {
    let path = sandbox.bpffs().join("program");
    let (program, counter) = counting(Hook::SK_LOOKUP)?;
    pins::pin(&program, &path)?;
    let opened = aya::programs::SkLookup::from_pin(&path)?;
    std::fs::remove_file(&path)?;
    let to = NetnsAttach::to("/proc/thread-self/ns/net", NetnsHook::SkLookup);
    let link = to.attach(opened.fd()?)?;
    ensure!(link.info()?.program_id == id_of(&program)?);
    drop(opened);
    ensure!(counts(&counter, send_packet)?);
    Ok(())
}

/// In the network namespace of the thread that attaches.
fn interfaces_by_name(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    let to = XdpAttach::to("named");
    let device = Device::create(DeviceKind::Veth, "named")?;
    ensure!(to.attach(&program)?.info()?.ifindex == Some(device.index()));
    let generic = to.clone().mode(XdpMode::Skb).attach(&program)?;
    ensure_error!(
        to.clone().mode(XdpMode::Drv).attach(&program),
        Error::HookTaken { .. },
        Some(libc::EEXIST),
        &["interface named"]
    );
    drop(generic);
    let native = to.clone().mode(XdpMode::Drv).attach(&program)?;
    ensure!(native.info()?.ifindex == Some(device.index()));
    drop(native);
    Netns::create()?.inside(|| {
        ensure_error!(
            to.attach(&program),
            Error::NoSuchInterface { .. },
            Some(libc::ENODEV),
            &["interface named"]
        );
        Ok(())
    })?;
    device.delete()?;
    ensure_error!(
        to.attach(&program),
        Error::NoSuchInterface { .. },
        Some(libc::ENODEV),
        &["interface named"]
    );
    Ok(())
}
