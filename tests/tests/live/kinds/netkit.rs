//! netkit links: the ends of a netkit device.

mod ensure;
mod golden;
mod soak;
mod sorts;
mod typed;

use anyhow::{Result, ensure};
use bpf_link::{AttachFlags, AttachType, Error, LinkCreate, LinkKind, MprogArgs, RawLink};
use bpf_link_tests::sys::LinkTarget;
use bpf_link_tests::{Device, DeviceKind, Hook, Program, Sandbox, device, eventually_holds};

use crate::fixture::traffic::send_frame;
use crate::fixture::{LOOPBACK, ensure_refused};
use crate::harness::Listed::{self, Tests};
use crate::harness::{Need, Test, test};
use crate::suites::conformance::{self, Counting, Field, Operation, Subject, field};
use crate::suites::kind_tests::KindTests;
use crate::suites::positions::{self, Place};

/// What tests of all kinds need to know of this one.
pub(crate) const KIND: KindTests = KindTests::new(
    LinkKind::Netkit,
    Need::NETKIT,
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
    test!(conforms).needs(Need::NETKIT),
    test!(conforms_for_the_peer).needs(Need::NETKIT),
    test!(devices_that_do_not_go).needs(Need::NETKIT),
    test!(a_program_that_is_there_already).needs(Need::NETKIT),
    test!(a_program_that_does_not_fit).needs(Need::NETKIT),
    test!(the_device_goes).needs(Need::NETKIT),
    test!(first_and_last).needs(Need::NETKIT),
    test!(around_an_anchor).needs(Need::NETKIT),
    test!(around_descriptor_zero).needs(Need::NETKIT),
    test!(an_expected_revision).needs(Need::NETKIT),
    test!(anchors_that_are_not_here).needs(Need::NETKIT),
    test!(anchors_of_another_kind).needs(Need::NETKIT),
    test!(a_struct_ops_anchor)
        .needs(Need::NETKIT)
        .also_needs(Need::STRUCT_OPS)
        .also_needs(&[Need::OwnKernel]),
    test!(before_there_was_netkit).needs(&[Need::Without(&Need::Constant(
        "bpf_attach_type",
        "BPF_NETKIT_PRIMARY",
    ))]),
];

/// The two ends of a device.
struct Pair {
    device: Device,
    peer: u32,
}

impl Pair {
    fn new() -> Result<Self> {
        // Names of the form nkN are given to peers.
        let device = Device::create(DeviceKind::Netkit, "kit")?;
        let peer = device::index_of(&device::peer_name("kit"))?;
        Ok(Self { device, peer })
    }

    fn primary(&self) -> u32 {
        self.device.index()
    }

    /// The list of the programs of what the primary end sends.
    fn place(&self) -> Place<'_> {
        Place {
            target: LinkTarget::Ifindex(self.primary()),
            attach_type: AttachType::NetkitPrimary,
            hook: Hook::NETKIT_PRIMARY,
            takes_programs: true,
        }
    }

    /// The list of the programs of what the peer sends, which is reached by the primary end as
    /// well.
    fn peers_place(&self) -> Place<'_> {
        Place {
            attach_type: AttachType::NetkitPeer,
            hook: Hook::NETKIT_PEER,
            ..self.place()
        }
    }
}

fn fields(ifindex: u32, attach_type: AttachType) -> Vec<Field> {
    vec![
        field!(netkit.ifindex, ifindex).of_the_hook(),
        field!(netkit.attach_type, attach_type.as_raw()),
    ]
}

fn conforms_at(
    sandbox: &Sandbox,
    place: &Place<'_>,
    ifindex: u32,
    event: &dyn Fn() -> Result<()>,
) -> Result<()> {
    let LinkTarget::Ifindex(target) = place.target else {
        anyhow::bail!("a device has an index");
    };
    conformance::check(&Subject {
        sandbox,
        kind: LinkKind::Netkit,
        first: Counting::program(place.hook)?,
        second: Counting::program(place.hook)?,
        create: &|program| {
            // Without a revision: the device goes on counting when its list is empty, but does not
            // say so.
            RawLink::create(
                &LinkCreate::new(program, place.attach_type)
                    .target_ifindex(target)
                    .flags(AttachFlags::AFTER)
                    .args(MprogArgs::new()),
            )
        },
        event: &|_| event(),
        fields: fields(ifindex, place.attach_type),
        update: Operation::Works,
        detach: Operation::Works,
    })
}

fn conforms(sandbox: &Sandbox) -> Result<()> {
    let pair = Pair::new()?;
    conforms_at(sandbox, &pair.place(), pair.primary(), &|| {
        send_frame(pair.primary(), pair.peer)
    })
}

/// Its info has the peer's index, although it was attached by the primary end's.
fn conforms_for_the_peer(sandbox: &Sandbox) -> Result<()> {
    let pair = Pair::new()?;
    conforms_at(sandbox, &pair.peers_place(), pair.peer, &|| {
        send_frame(pair.peer, pair.primary())
    })
}

fn devices_that_do_not_go(_sandbox: &Sandbox) -> Result<()> {
    let pair = Pair::new()?;
    let program = pair.place().program()?;
    let create = |ifindex| {
        let request = LinkCreate::new(&program, AttachType::NetkitPrimary);
        RawLink::create(&request.target_ifindex(ifindex))
    };
    for (ifindex, errno) in [
        (0, libc::ENODEV),
        (0x7fff_0000, libc::ENODEV),
        (LOOPBACK, libc::ENXIO),
    ] {
        ensure_refused!(create(ifindex), Error::Command(_), Some(errno));
    }
    // Both ends are reached by the primary one only.
    ensure_refused!(
        create(pair.peer),
        Error::PermissionDenied(_),
        Some(libc::EACCES)
    );
    Ok(())
}

fn a_program_that_is_there_already(_sandbox: &Sandbox) -> Result<()> {
    let pair = Pair::new()?;
    let place = pair.place();
    let attach = || place.attach(AttachFlags::empty(), MprogArgs::new());
    let (first, second) = (attach()?, attach()?);
    ensure_refused!(
        RawLink::create(&place.request(&first.program)),
        Error::Command(_),
        Some(libc::EEXIST)
    );
    ensure_refused!(
        second.link.update(&first.program),
        Error::Command(_),
        Some(libc::EEXIST)
    );
    Ok(())
}

fn a_program_that_does_not_fit(_sandbox: &Sandbox) -> Result<()> {
    let pair = Pair::new()?;
    let other = Program::passing(Hook::XDP)?;
    ensure_refused!(
        RawLink::create(&pair.place().request(&other)),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    Ok(())
}

fn the_device_goes(_sandbox: &Sandbox) -> Result<()> {
    let pair = Pair::new()?;
    let attach = |place: &Place<'_>| place.attach(AttachFlags::empty(), MprogArgs::new());
    let (primary, peer) = (attach(&pair.place())?, attach(&pair.peers_place())?);
    pair.device.delete()?;
    for (attached, attach_type) in [
        (primary, AttachType::NetkitPrimary),
        (peer, AttachType::NetkitPeer),
    ] {
        eventually_holds("the link is without its device", || {
            let info = attached.link.info()?;
            let mut fields = fields(0, attach_type).into_iter();
            Ok(fields.all(|field| field.check(&info).is_ok()))
        })?;
        ensure_refused!(
            attached.link.update(&attached.program),
            Error::HookGone(_),
            Some(libc::ENOLINK)
        );
        attached.link.detach()?;
        ensure!(attached.link.info()?.program_id().map(u32::from) == Some(attached.program.id()?));
    }
    Ok(())
}

fn first_and_last(_sandbox: &Sandbox) -> Result<()> {
    let pair = Pair::new()?;
    positions::first_and_last(&pair.place())?;
    positions::first_and_last(&pair.peers_place())
}

fn around_an_anchor(_sandbox: &Sandbox) -> Result<()> {
    let pair = Pair::new()?;
    positions::around_an_anchor(&pair.place())?;
    positions::around_an_anchor(&pair.peers_place())
}

fn around_descriptor_zero(_sandbox: &Sandbox) -> Result<()> {
    positions::around_descriptor_zero(&Pair::new()?.place())
}

fn an_expected_revision(_sandbox: &Sandbox) -> Result<()> {
    positions::an_expected_revision(&Pair::new()?.place())
}

fn anchors_that_are_not_here(_sandbox: &Sandbox) -> Result<()> {
    let pair = Pair::new()?;
    positions::anchors_that_are_not_here(&pair.place(), &pair.peers_place())
}

fn anchors_of_another_kind(_sandbox: &Sandbox) -> Result<()> {
    positions::anchors_of_another_kind(&Pair::new()?.place())
}

fn a_struct_ops_anchor(_sandbox: &Sandbox) -> Result<()> {
    positions::a_struct_ops_anchor(&Pair::new()?.place())
}

fn before_there_was_netkit(_sandbox: &Sandbox) -> Result<()> {
    let classifier = Hook::new(
        Hook::NETKIT_PRIMARY.program_type,
        0,
        Hook::NETKIT_PRIMARY.pass,
    );
    let program = Program::passing(classifier)?;
    let request = LinkCreate::new(&program, AttachType::NetkitPrimary).target_ifindex(LOOPBACK);
    for request in [request, request.args(MprogArgs::new().expected_revision(1))] {
        ensure_refused!(
            RawLink::create(&request),
            Error::UnsupportedByKernel(_) | Error::Command(_),
            Some(libc::EINVAL)
        );
    }
    Ok(())
}
