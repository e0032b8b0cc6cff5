//! Attaching through the types of the kinds: network devices and network namespaces.

use anyhow::{Result, ensure};
use bpf_link_tests::{Device, DeviceKind, Hook, Netns, Program, Sandbox, pins};
use bpf_link_typed::{Error, FileRef, Interface, NetnsAttach, NetnsHook, XdpAttach, XdpMode};

use crate::fixture::attaching::{counting, counts, ensure_error, id_of};
use crate::fixture::traffic::send_packet;
use crate::fixture::{LOOPBACK, runs};
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(a_program_of_another_crate),
    test!(interfaces_by_name).needs(&[Need::Device(DeviceKind::Veth)]),
    test!(netns),
    test!(xdp),
    test!(xdp_errors),
];

fn xdp(_sandbox: &Sandbox) -> Result<()> {
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
            ensure!(!runs(&counter)?);
        }
    }
    Ok(())
}

fn xdp_errors(_sandbox: &Sandbox) -> Result<()> {
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
    ensure_error!(to.attach(&program), Error::HookTaken(_), Some(libc::EBUSY));
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
        Error::Link(_),
        Some(libc::EINVAL)
    );
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
        Error::HookTaken(_),
        Some(libc::EEXIST)
    );
    drop(generic);
    let native = to.clone().mode(XdpMode::Drv).attach(&program)?;
    ensure!(native.info()?.ifindex == Some(device.index()));
    drop(native);
    Netns::create()?.inside(|| {
        ensure_error!(
            to.attach(&program),
            Error::NoSuchInterface { .. },
            Some(libc::ENODEV)
        );
        Ok(())
    })?;
    device.delete()?;
    ensure_error!(
        to.attach(&program),
        Error::NoSuchInterface { .. },
        Some(libc::ENODEV)
    );
    Ok(())
}

fn netns(_sandbox: &Sandbox) -> Result<()> {
    const PATH: &str = "/proc/thread-self/ns/net";
    let current = Netns::current()?;
    let (program, counter) = counting(Hook::SK_LOOKUP)?;
    for file in [FileRef::from(PATH), FileRef::fd(&current)] {
        let link = NetnsAttach::to(file, NetnsHook::SkLookup).attach(&program)?;
        let info = link.info()?;
        ensure!(info.netns_ino.map(u64::from) == Some(current.inode()?));
        ensure!(info.attach_type == NetnsHook::SkLookup.attach_type());
        ensure!(counts(&counter, send_packet)?);
        drop(link);
        ensure!(!counts(&counter, send_packet)?);
    }
    ensure_error!(
        NetnsAttach::to(PATH, NetnsHook::FlowDissector).attach(&program),
        Error::AttachTypeMismatch { .. },
        Some(libc::EINVAL)
    );
    ensure_error!(
        NetnsAttach::to("/proc/no such file", NetnsHook::SkLookup).attach(&program),
        Error::File { .. },
        Some(libc::ENOENT)
    );
    ensure_error!(
        NetnsAttach::to("/proc/self/ns/uts", NetnsHook::SkLookup).attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EINVAL)
    );
    let dissector = Program::passing(Hook::FLOW_DISSECTOR)?;
    let to = NetnsAttach::to(PATH, NetnsHook::FlowDissector);
    let _link = to.attach(&dissector)?;
    ensure_error!(
        to.attach(&dissector),
        Error::HookTaken(_),
        Some(libc::E2BIG)
    );
    Ok(())
}

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
