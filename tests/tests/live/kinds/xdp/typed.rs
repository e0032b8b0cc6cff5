//! xdp links through their type: attaching, info, and what is refused.

use anyhow::{Result, ensure};
use bpf_link::RawLink;
use bpf_link_tests::{Device, DeviceKind, Hook, Program, Sandbox, eventually_holds};
use bpf_link_typed::{Error, Interface, XdpAttach, XdpLink, XdpMode};

use crate::fixture::attaching::{counting, ensure_error, id_of, request, stops};
use crate::fixture::traffic::send_packet;
use crate::fixture::{LOOPBACK, runs, xdp as on_loopback};
use crate::harness::{Need, Test, test};
use crate::suites::operations::has_no;

has_no! { XdpLink: create_iter }

pub(crate) const TESTS: &[Test] = &[
    test!(attach),
    test!(attach_errors).alone(),
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
        let refused = XdpAttach::to(interface.clone()).attach(&program);
        let Err(Error::NoSuchInterface {
            interface: found,
            source,
        }) = refused
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
        Some(libc::EBUSY)
    );
    // Not a device that runs programs itself.
    ensure_error!(
        XdpAttach::to("lo").mode(XdpMode::Hw).attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EOPNOTSUPP)
    );
    // It exists, so it is not said to be missing.
    let other = Program::passing(Hook::TCX_INGRESS)?;
    ensure_error!(
        XdpAttach::to(LOOPBACK).attach(&other),
        Error::AttachTypeMismatch { .. },
        Some(libc::EINVAL)
    );
    Ok(())
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
