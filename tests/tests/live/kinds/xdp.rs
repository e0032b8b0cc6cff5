//! xdp links: the receive path of a network device.

mod ensure;
mod golden;
mod soak;
mod sorts;
mod typed;

use anyhow::{Result, ensure};
use bpf_link::{
    Anchor, AttachType, Command, Error, InvalidRequest, LinkCreate, LinkKind, MprogArgs,
    NetfilterArgs, RawLink, Target, Update, UprobeMultiArgs, XdpFlags,
};
use bpf_link_sys::BPF_XDP_DEVMAP;
use bpf_link_tests::{
    Device, DeviceKind, Hook, Map, Netns, Program, Sandbox, device, eventually_holds,
};

use crate::fixture::chain::check;
use crate::fixture::traffic::{send_frame, send_packet};
use crate::fixture::{LOOPBACK, ensure_refused, refusal};
use crate::harness::Listed::{self, Tests};
use crate::harness::{Need, Test, test};
use crate::suites::conformance::{self, Counting, Field, Operation, Subject, field};
use crate::suites::descriptor_zero;
use crate::suites::kind_tests::KindTests;

/// What tests of all kinds need to know of this one.
pub(crate) const KIND: KindTests = KindTests::new(
    LinkKind::Xdp,
    &[],
    golden::CASES,
    typed::HAS_NO,
    soak::place,
);

/// What this file and those of its folder list.
pub(crate) const ALL: &[Listed] = &[
    Tests(TESTS),
    Tests(ensure::TESTS),
    Tests(golden::TESTS),
    Tests(sorts::TESTS),
    Tests(typed::TESTS),
];

const TESTS: &[Test] = &[
    test!(conforms),
    test!(conforms_in_the_driver).needs(&[Need::Device(DeviceKind::Veth)]),
    test!(the_mode_is_the_one_that_was_asked_for).needs(&[Need::Device(DeviceKind::Veth)]),
    test!(a_device_that_is_not_there),
    test!(a_program_that_is_none),
    test!(a_program_of_another_type),
    test!(flags_that_do_not_go),
    test!(one_link_to_a_device),
    test!(loaded_without_an_attach_type),
    test!(the_expected_program_is_descriptor_zero),
    test!(the_arguments_of_another_kind),
    test!(the_device_is_the_one_of_the_calling_thread).needs(&[Need::Device(DeviceKind::Veth)]),
    test!(the_device_goes).needs(&[Need::Device(DeviceKind::Veth)]),
];

fn on_loopback(program: &Program) -> LinkCreate<'_> {
    LinkCreate::new(program, AttachType::Xdp).target_ifindex(LOOPBACK)
}

fn ifindex(value: u32) -> Field {
    field!(xdp.ifindex, value).of_the_hook()
}

fn conforms(sandbox: &Sandbox) -> Result<()> {
    conformance::check(&Subject {
        sandbox,
        kind: LinkKind::Xdp,
        first: Counting::program(Hook::XDP)?,
        second: Counting::program(Hook::XDP)?,
        create: &|program| {
            RawLink::create(
                &LinkCreate::new(program, AttachType::Xdp)
                    .target_ifindex(LOOPBACK)
                    .xdp_flags(XdpFlags::SKB_MODE),
            )
        },
        event: &|_| send_packet(),
        fields: vec![ifindex(LOOPBACK)],
        update: Operation::Works,
        detach: Operation::Works,
    })
}

fn conforms_in_the_driver(sandbox: &Sandbox) -> Result<()> {
    let device = Device::create(DeviceKind::Veth, "driver")?;
    let peer = device::index_of(&device::peer_name("driver"))?;
    conformance::check(&Subject {
        sandbox,
        kind: LinkKind::Xdp,
        first: Counting::program(Hook::XDP)?,
        second: Counting::program(Hook::XDP)?,
        create: &|program| {
            RawLink::create(
                &LinkCreate::new(program, AttachType::Xdp)
                    .target_ifindex(device.index())
                    .xdp_flags(XdpFlags::DRV_MODE),
            )
        },
        event: &|_| send_frame(peer, device.index()),
        fields: vec![ifindex(device.index())],
        update: Operation::Works,
        detach: Operation::Works,
    })
}

/// In the driver, a program does not see what comes in through the kernel's own path and the other
/// way round: a second link in the other mode is what the kernel says `EEXIST` to, and `EBUSY` in
/// the same.
fn the_mode_is_the_one_that_was_asked_for(_sandbox: &Sandbox) -> Result<()> {
    let device = Device::create(DeviceKind::Veth, "mode")?;
    let program = Program::passing(Hook::XDP)?;
    let request = LinkCreate::new(&program, AttachType::Xdp).target_ifindex(device.index());
    for (taken, other) in [
        (XdpFlags::DRV_MODE, XdpFlags::SKB_MODE),
        (XdpFlags::SKB_MODE, XdpFlags::DRV_MODE),
    ] {
        let _link = RawLink::create(&request.xdp_flags(taken))?;
        ensure_refused!(
            RawLink::create(&request.xdp_flags(taken)),
            Error::Command(_),
            Some(libc::EBUSY)
        );
        ensure_refused!(
            RawLink::create(&request.xdp_flags(other)),
            Error::Command(_),
            Some(libc::EEXIST)
        );
    }
    Ok(())
}

fn a_device_that_is_not_there(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    let request = LinkCreate::new(&program, AttachType::Xdp);
    let device = Target::Interface {
        name: None,
        index: Some(0x7fff_0000),
    };
    for (request, of) in [
        (request, None),
        (request.target_ifindex(0x7fff_0000), Some(device)),
    ] {
        let error = refusal(RawLink::create(&request))?;
        ensure!(error.errno() == Some(libc::EINVAL), "{error:?}");
        let Error::Command(error) = error else {
            anyhow::bail!("{error:?}");
        };
        ensure!(error.command() == Command::LinkCreate);
        let of_device = of
            .as_ref()
            .map_or("", |_| " of the interface with index 2147418112");
        let hook = Target::Hook {
            attach_type: AttachType::Xdp,
            of: of.map(Box::new),
        };
        ensure!(*error.target() == hook);
        ensure!(error.to_string() == format!("BPF_LINK_CREATE on hook xdp{of_device} failed"));
    }
    Ok(())
}

fn a_program_that_is_none(_sandbox: &Sandbox) -> Result<()> {
    let file = std::fs::File::open("/proc/self/comm")?;
    let map = Map::array(4, 1)?;
    let fds: [&dyn std::os::fd::AsFd; 2] = [&file, &map];
    for fd in fds {
        let fd = fd.as_fd();
        let request = LinkCreate::new(&fd, AttachType::Xdp).target_ifindex(LOOPBACK);
        ensure_refused!(
            RawLink::create(&request),
            Error::Command(_),
            Some(libc::EINVAL)
        );
    }
    Ok(())
}

fn a_program_of_another_type(_sandbox: &Sandbox) -> Result<()> {
    let egress = Program::passing(Hook::CGROUP_EGRESS)?;
    ensure_refused!(
        RawLink::create(&on_loopback(&egress)),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    // The type is right, but it is for another sort of hook.
    let for_devmaps = Hook::new(Hook::XDP.program_type, BPF_XDP_DEVMAP, Hook::XDP.pass);
    let for_devmaps = Program::passing(for_devmaps)?;
    ensure_refused!(
        RawLink::create(&on_loopback(&for_devmaps)),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    let request = LinkCreate::new(&for_devmaps, AttachType::XdpDevmap).target_ifindex(LOOPBACK);
    ensure_refused!(
        RawLink::create(&request),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    Ok(())
}

fn flags_that_do_not_go(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    let request = on_loopback(&program);
    for flags in [
        XdpFlags::SKB_MODE | XdpFlags::DRV_MODE,
        XdpFlags::from_bits_retain(1 << 30),
    ] {
        ensure_refused!(
            RawLink::create(&request.xdp_flags(flags)),
            Error::Command(_),
            Some(libc::EINVAL)
        );
    }
    // The kernel has XDP; this device has none in its driver.
    ensure_refused!(
        RawLink::create(&request.xdp_flags(XdpFlags::DRV_MODE)),
        Error::Command(_),
        Some(libc::EOPNOTSUPP)
    );
    Ok(())
}

fn one_link_to_a_device(_sandbox: &Sandbox) -> Result<()> {
    let (first, second) = (Program::passing(Hook::XDP)?, Program::passing(Hook::XDP)?);
    let link = RawLink::create(&on_loopback(&first))?;
    for program in [&first, &second] {
        ensure_refused!(
            RawLink::create(&on_loopback(program)),
            Error::Command(_),
            Some(libc::EBUSY)
        );
    }
    ensure!(link.info()?.program_id().map(u32::from) == Some(first.id()?));
    Ok(())
}

/// Older loaders do so. Such a program can be attached, but does not go with those that were loaded
/// for `BPF_XDP`.
fn loaded_without_an_attach_type(_sandbox: &Sandbox) -> Result<()> {
    let untyped = Counting::program(Hook::XDP_UNTYPED)?;
    let link =
        RawLink::create(&LinkCreate::new(&untyped, AttachType::Xdp).target_ifindex(LOOPBACK))?;
    ensure!(untyped.runs(send_packet)?);
    let other = Program::passing(Hook::XDP_UNTYPED)?;
    link.update(&other)?;
    let typed = Program::passing(Hook::XDP)?;
    ensure_refused!(link.update(&typed), Error::Command(_), Some(libc::EINVAL));
    ensure!(link.info()?.program_id().map(u32::from) == Some(other.id()?));
    Ok(())
}

/// It is expected, and not taken for the absence of an expectation.
fn the_expected_program_is_descriptor_zero(_sandbox: &Sandbox) -> Result<()> {
    let (first, second) = (Program::passing(Hook::XDP)?, Program::passing(Hook::XDP)?);
    let link = RawLink::create(&on_loopback(&first))?;
    descriptor_zero::with(&second, |zero| {
        ensure_refused!(
            link.update(Update::program(&second).expecting(&zero)),
            Error::OldProgramMismatch { .. },
            Some(libc::EPERM)
        );
        Ok(())
    })?;
    descriptor_zero::with(&first, |zero| {
        Ok(link.update(Update::program(&second).expecting(&zero))?)
    })?;
    ensure!(link.info()?.program_id().map(u32::from) == Some(second.id()?));
    // As the new program, too.
    descriptor_zero::with(&first, |zero| Ok(link.update(&zero)?))?;
    ensure!(link.info()?.program_id().map(u32::from) == Some(first.id()?));
    Ok(())
}

/// The kernel would read them as nothing, and so ignore them.
fn the_arguments_of_another_kind(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    let request = on_loopback(&program);
    let requests = [
        (request.args(NetfilterArgs::new(2, 0, 0)), "netfilter"),
        (
            request.args(MprogArgs::new().anchor(Anchor::program(&program))),
            "tcx, netkit or cgroup",
        ),
        (
            request.args(UprobeMultiArgs::path(c"/proc/self/exe", &[0])),
            "uprobe_multi",
        ),
    ];
    for (request, name) in requests {
        let error = refusal(RawLink::create(&request))?;
        let Error::InvalidRequest(InvalidRequest::Arguments {
            ref hook,
            arguments,
        }) = error
        else {
            anyhow::bail!("{error:?}");
        };
        let hook = hook.to_string();
        ensure!(arguments == name, "the arguments are of {arguments}");
        check(&error, &[&hook, "hook xdp", "index 1"])?;
    }
    // Nothing was attached.
    drop(RawLink::create(&request)?);
    Ok(())
}

fn the_device_is_the_one_of_the_calling_thread(_sandbox: &Sandbox) -> Result<()> {
    let other = Netns::create()?;
    let program = Program::passing(Hook::XDP)?;
    let (link, device) = other.inside(|| {
        let device = Device::create(DeviceKind::Veth, "inside")?;
        let request = LinkCreate::new(&program, AttachType::Xdp).target_ifindex(device.index());
        let link = RawLink::create(&request)?;
        // The device would go with its owner.
        let index = device.index();
        std::mem::forget(device);
        Ok((link, index))
    })?;
    // The number is the other namespace's, in which there is such a device, and it is seen from
    // here as well.
    ifindex(device).check(&link.info()?)?;
    let attached = other.inside(|| {
        let refused = LinkCreate::new(&program, AttachType::Xdp).target_ifindex(device);
        Ok(refusal(RawLink::create(&refused))?.errno())
    })?;
    ensure!(attached == Some(libc::EBUSY));
    link.detach()?;
    Ok(())
}

fn the_device_goes(_sandbox: &Sandbox) -> Result<()> {
    let device = Device::create(DeviceKind::Veth, "goes")?;
    let program = Program::passing(Hook::XDP)?;
    let request = LinkCreate::new(&program, AttachType::Xdp).target_ifindex(device.index());
    let link = RawLink::create(&request)?;
    ifindex(device.index()).check(&link.info()?)?;
    device.delete()?;
    eventually_holds("the link is without its device", || {
        Ok(ifindex(0).check(&link.info()?).is_ok())
    })?;
    ensure!(link.info()?.program_id().map(u32::from) == Some(program.id()?));
    ensure_refused!(
        link.update(&program),
        Error::HookGone(_),
        Some(libc::ENOLINK)
    );
    link.detach()?;
    Ok(())
}
