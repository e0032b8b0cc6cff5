//! Hooks in another network namespace than the calling thread's.

use std::os::fd::{AsFd as _, AsRawFd as _};

use anyhow::{Result, ensure};
use bpf_link_tests::{Device, DeviceKind, Hook, Netns, Program, Sandbox};
use bpf_link_typed::inspect::hooks::{AttachedBy, HookInspector, HookPlace};
use bpf_link_typed::{Error, Interface, LinkError, TcxHook, XdpAttach, XdpMode};

use super::{by_link_in_a_namespace, by_walk, check, expected};
use crate::fixture::as_nobody;
use crate::fixture::attaching::ensure_error;
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(devices_with_the_same_index).alone(),
    test!(all_devices_of_a_namespace)
        .needs(&[Need::Device(DeviceKind::Veth)])
        .alone(),
    test!(a_namespace_that_may_not_be_entered),
];

/// A copy that can be given away.
fn copy(netns: &Netns) -> Result<bpf_link_typed::Netns> {
    Ok(netns.as_fd().try_clone_to_owned()?.into())
}

/// `lo` has index 1 in each, and here runs the same program: the links are told apart by their
/// namespaces, where a snapshot tells those.
fn devices_with_the_same_index(_sandbox: &Sandbox) -> Result<()> {
    let there = Netns::create()?;
    let program = Program::passing(Hook::XDP)?;
    let to = || XdpAttach::to("lo").mode(XdpMode::Skb);
    let of_there = to().in_netns(copy(&there)?).attach(&program)?;
    let mut inspector = HookInspector::load()?;
    check(&inspector.device("lo")?, &[])?;
    let lo_there = Interface::from("lo").in_netns(copy(&there)?);
    let by = by_link_in_a_namespace(of_there.id()?)?;
    let hooks = inspector.device(lo_there.clone())?;
    check(&hooks, &[expected("xdp", &program, by)?])?;

    // Two links run this program, so without a snapshot either may be the one.
    let here = to().attach(&program)?;
    inspector.refresh();
    let either = AttachedBy::Unknown(vec![of_there.id()?, here.id()?]);
    for (device, link) in [(lo_there, of_there.id()?), ("lo".into(), here.id()?)] {
        let by = match by_link_in_a_namespace(link)? {
            AttachedBy::Link(link) => AttachedBy::Link(link),
            _ => either.clone(),
        };
        let hooks = inspector.device(device.clone())?;
        check(&hooks, &[expected("xdp", &program, by)?])?;
        let hooks = by_walk()?.device(device)?;
        check(&hooks, &[expected("xdp", &program, either.clone())?])?;
    }
    Ok(())
}

fn all_devices_of_a_namespace(_sandbox: &Sandbox) -> Result<()> {
    let there = Netns::create()?;
    there.inside(|| {
        std::mem::forget(Device::create(DeviceKind::Veth, "there")?);
        Ok(())
    })?;
    let devices = HookInspector::load()?.devices(Some(&copy(&there)?))?;
    let names = devices.iter().map(|hooks| match &hooks.place {
        HookPlace::Device { name, .. } => name.to_string_lossy().into_owned(),
        other => format!("{other:?}"),
    });
    let mut names: Vec<_> = names.collect();
    // Older kernels have devices of tunnels in every namespace.
    names.retain(|name| name == "lo" || name.starts_with("there"));
    names.sort();
    ensure!(names == ["lo", "there", "there_p"], "{names:?}");
    Ok(())
}

fn a_namespace_that_may_not_be_entered(_sandbox: &Sandbox) -> Result<()> {
    let file = Netns::create()?.as_fd().try_clone_to_owned()?;
    let in_words = format!("network namespace /proc/self/fd/{}", file.as_raw_fd());
    let there = bpf_link_typed::Netns::from(file);
    let device_in_words = format!("interface lo in {in_words}");
    let refused = as_nobody(|| {
        let mut inspector = HookInspector::load()?;
        let device = Interface::from("lo").in_netns(there.clone());
        Ok([
            (inspector.device(device.clone()).map(drop), &device_in_words),
            (TcxHook::Ingress.query(device).map(drop), &device_in_words),
            (inspector.devices(Some(&there)).map(drop), &in_words),
        ])
    })?;
    for (refused, named) in refused {
        ensure_error!(
            refused,
            Error::Link(LinkError::PermissionDenied(_)),
            Some(libc::EPERM),
            &["setns", named]
        );
    }
    Ok(())
}
