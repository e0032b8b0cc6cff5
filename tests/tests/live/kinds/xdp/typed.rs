//! xdp links through their type: attaching, info, and what is refused.

use anyhow::{Result, ensure};
use bpf_link::RawLink;
use bpf_link_tests::device::{index_of, peer_name, set_mtu};
use bpf_link_tests::{Device, DeviceKind, Hook, Program, Sandbox, eventually_holds};
use bpf_link_typed::{Error, Interface, XdpAttach, XdpLink, XdpMode};

use crate::fixture::attaching::{counting, ensure_error, id_of, request, stops};
use crate::fixture::chain::check_refusal;
use crate::fixture::traffic::send_packet;
use crate::fixture::{LOOPBACK, runs, xdp as on_loopback};
use crate::harness::{Need, Test, test};
use crate::suites::operations::has_no;

has_no! { XdpLink: create_iter }

pub(crate) const TESTS: &[Test] = &[
    test!(attach),
    test!(attach_errors).alone(),
    test!(driver_or_generic).needs(&[Need::Device(DeviceKind::Veth)]),
    test!(what_a_driver_has_against_it)
        .needs(&[Need::Device(DeviceKind::Veth)])
        .also_needs(&[Need::Function("__traceiter_bpf_xdp_link_attach_failed")]),
    test!(info),
    test!(info_whose_device_goes).needs(&[Need::Device(DeviceKind::Veth)]),
];

fn attach(_sandbox: &Sandbox) -> Result<()> {
    let (program, counter) = counting(Hook::XDP)?;
    for interface in [Interface::from("lo"), Interface::from(LOOPBACK)] {
        for to in [
            XdpAttach::to(interface.clone()),
            XdpAttach::to(interface.clone()).mode(XdpMode::Skb),
        ] {
            let link = to.attach(&program)?;
            let info = link.info()?;
            ensure!(info.ifindex == Some(LOOPBACK) && info.program_id == id_of(&program)?);
            ensure!(runs(&counter)?);
            drop(link);
            stops(&counter, send_packet)?;
        }
    }
    Ok(())
}

fn attach_errors(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    for (interface, errno) in [
        (Interface::from("nowhere"), Some(libc::ENODEV)),
        (
            Interface::from("a name that is too long"),
            Some(libc::ENODEV),
        ),
        (Interface::from("lo\0"), None),
        (Interface::from(4711), Some(libc::EINVAL)),
        (Interface::from(0), Some(libc::EINVAL)),
    ] {
        let named = interface.to_string();
        let refused = XdpAttach::to(interface.clone()).attach(&program);
        let refused = check_refusal(refused, &[&named])?;
        let Error::NoSuchInterface {
            interface: found,
            source,
        } = refused
        else {
            anyhow::bail!("{refused:?}");
        };
        ensure!(found == interface && source.errno() == errno, "{source:?}");
    }
    let to = XdpAttach::to("lo").mode(XdpMode::Skb);
    let _link = to.attach(&program)?;
    ensure_error!(
        to.attach(&program),
        Error::HookTaken { .. },
        Some(libc::EBUSY),
        &["interface lo (index 1)"]
    );
    // Not a device that runs programs itself.
    ensure_error!(
        XdpAttach::to("lo").mode(XdpMode::Hw).attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EOPNOTSUPP),
        &["interface lo (index 1)"]
    );
    // It exists, so it is not said to be missing.
    let other = Program::passing(Hook::TCX_INGRESS)?;
    ensure_error!(
        XdpAttach::to(LOOPBACK).attach(&other),
        Error::AttachTypeMismatch { .. },
        Some(libc::EINVAL),
        &["interface lo (index 1)"]
    );
    Ok(())
}

/// Packets of the other end of the pair that are too long for the driver are no reason for the
/// generic path.
fn driver_or_generic(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    let device = Device::create(DeviceKind::Veth, "mode")?;
    let kernels_choice = XdpAttach::to("mode");
    let either = kernels_choice.clone().mode(XdpMode::DrvThenSkb);
    let on_loopback = XdpAttach::to("lo").mode(XdpMode::DrvThenSkb);
    for (to, expected) in [
        (&kernels_choice, XdpMode::Drv),
        (&either, XdpMode::Drv),
        (&on_loopback, XdpMode::Skb),
        (&XdpAttach::to("lo"), XdpMode::Skb),
        (&XdpAttach::to("mode").mode(XdpMode::Skb), XdpMode::Skb),
        (&XdpAttach::to("mode").mode(XdpMode::Drv), XdpMode::Drv),
    ] {
        let (link, mode) = to.attach_and_tell(&program)?;
        ensure!(mode == expected, "{to:?}: {mode:?}");
        // A link in this mode is in the way of another in the same mode, and one of another mode
        // exists.
        for (again, errno) in [(expected, libc::EBUSY), (other(expected), libc::EEXIST)] {
            let again = to.clone().mode(again);
            // A driver without XDP is not asked what is there.
            if again.attach(&program).err().and_then(|error| error.errno())
                != Some(libc::EOPNOTSUPP)
            {
                ensure_error!(
                    again.attach(&program),
                    Error::HookTaken { .. },
                    Some(errno),
                    &["hook xdp of interface"]
                );
            }
        }
        let taken = to.attach(&program);
        ensure!(matches!(taken, Err(Error::HookTaken { .. })), "{taken:?}");
        drop(link);
        drop(to.attach(&program)?);
    }
    for name in ["mode".to_owned(), peer_name("mode")] {
        set_mtu(index_of(&name)?, 8901)?;
    }
    ensure_error!(
        kernels_choice.attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::ERANGE),
        &["interface mode"]
    );
    let (link, mode) = either.attach_and_tell(&program)?;
    ensure!(mode == XdpMode::Skb && link.info()?.ifindex == Some(device.index()));
    drop(link);
    drop(either.attach(&program)?);
    // The program itself is refused both times, and a device that is not there once.
    ensure_error!(
        either.attach(&Program::passing(Hook::TCX_INGRESS)?),
        Error::Link(_) | Error::AttachTypeMismatch { .. },
        Some(libc::EINVAL),
        &["interface mode"]
    );
    device.delete()?;
    ensure_error!(
        either.attach(&program),
        Error::NoSuchInterface { .. },
        Some(libc::ENODEV),
        &["interface mode"]
    );
    Ok(())
}

/// The kernel has the driver's words, as the guide says.
fn what_a_driver_has_against_it(sandbox: &Sandbox) -> Result<()> {
    let device = Device::create(DeviceKind::Veth, "words")?;
    for name in ["words".to_owned(), peer_name("words")] {
        set_mtu(index_of(&name)?, 8901)?;
    }
    let name = format!("instances/bpf-link-{}", std::process::id());
    let instance = sandbox.tracefs()?.join(name);
    std::fs::create_dir(&instance)?;
    let recorded = || {
        let event = instance.join("events/xdp/bpf_xdp_link_attach_failed/enable");
        std::fs::write(event, "1")?;
        let refused = XdpAttach::to(device.index()).attach(&Program::passing(Hook::XDP)?);
        ensure!(refused.err().and_then(|error| error.errno()) == Some(libc::ERANGE));
        Ok(std::fs::read_to_string(instance.join("trace"))?)
    };
    let trace = recorded();
    std::fs::remove_dir(&instance)?;
    let trace = trace?;
    ensure!(trace.contains("Peer MTU is too large"), "{trace}");
    Ok(())
}

fn other(mode: XdpMode) -> XdpMode {
    match mode {
        XdpMode::Skb => XdpMode::Drv,
        _ => XdpMode::Skb,
    }
}

fn info(_sandbox: &Sandbox) -> Result<()> {
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

fn info_whose_device_goes(_sandbox: &Sandbox) -> Result<()> {
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
