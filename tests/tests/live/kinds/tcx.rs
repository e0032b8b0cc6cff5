//! tcx links: traffic control of a network device.

mod ensure;
mod golden;
mod soak;
mod sorts;
mod typed;

use anyhow::{Result, ensure};
use bpf_link::{AttachFlags, AttachType, Error, LinkCreate, LinkKind, MprogArgs, RawLink, Update};
use bpf_link_tests::sys::LinkTarget;
use bpf_link_tests::{Device, DeviceKind, Hook, Program, Sandbox, eventually_holds};

use crate::fixture::traffic::send_packet;
use crate::fixture::{LOOPBACK, ensure_refused};
use crate::harness::Listed::{self, Tests};
use crate::harness::{Need, Test, test};
use crate::suites::conformance::{self, Counting, Field, Operation, Subject, field};
use crate::suites::kind_tests::KindTests;
use crate::suites::positions::{self, Place};

/// What tests of all kinds need to know of this one.
pub(crate) const KIND: KindTests = KindTests::new(
    LinkKind::Tcx,
    Need::TCX,
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
    test!(conforms).needs(Need::TCX),
    test!(conforms_for_egress).needs(Need::TCX),
    test!(a_device_that_is_not_there).needs(Need::TCX),
    test!(a_program_that_does_not_fit).needs(Need::TCX),
    test!(a_program_that_is_there_already).needs(Need::TCX),
    test!(flags_that_do_not_go).needs(Need::TCX),
    test!(sixty_three_programs_to_a_hook).needs(Need::TCX),
    test!(the_revision_counts_changes).needs(Need::TCX),
    test!(the_device_goes)
        .needs(Need::TCX)
        .also_needs(&[Need::Device(DeviceKind::Veth)]),
    test!(first_and_last).needs(Need::TCX),
    test!(around_an_anchor).needs(Need::TCX),
    test!(around_descriptor_zero).needs(Need::TCX),
    test!(an_expected_revision).needs(Need::TCX),
    test!(an_anchor_by_id_takes_a_privilege).needs(Need::TCX),
    test!(anchors_that_are_not_here).needs(Need::TCX),
    test!(anchors_of_another_kind).needs(Need::TCX),
    test!(a_struct_ops_anchor)
        .needs(Need::TCX)
        .also_needs(Need::STRUCT_OPS)
        .also_needs(&[Need::OwnKernel]),
    test!(before_there_was_tcx).needs(&[Need::Without(&Need::Constant(
        "bpf_attach_type",
        "BPF_TCX_INGRESS",
    ))]),
];

fn fields(ifindex: u32, attach_type: AttachType) -> Vec<Field> {
    vec![
        field!(tcx.ifindex, ifindex).of_the_hook(),
        field!(tcx.attach_type, attach_type.as_raw()),
    ]
}

fn conforms_on(sandbox: &Sandbox, hook: Hook, attach_type: AttachType) -> Result<()> {
    conformance::check(&Subject {
        sandbox,
        kind: LinkKind::Tcx,
        first: Counting::program(hook)?,
        second: Counting::program(hook)?,
        create: &|program| {
            RawLink::create(
                &LinkCreate::new(program, attach_type)
                    .target_ifindex(LOOPBACK)
                    .flags(AttachFlags::BEFORE)
                    .args(MprogArgs::new().expected_revision(1)),
            )
        },
        event: &|_| send_packet(),
        fields: fields(LOOPBACK, attach_type),
        update: Operation::Works,
        detach: Operation::Works,
    })
}

fn conforms(sandbox: &Sandbox) -> Result<()> {
    conforms_on(sandbox, Hook::TCX_INGRESS, AttachType::TcxIngress)
}

fn conforms_for_egress(sandbox: &Sandbox) -> Result<()> {
    conforms_on(sandbox, Hook::TCX_EGRESS, AttachType::TcxEgress)
}

const INGRESS: Place<'_> = Place {
    target: LinkTarget::Ifindex(LOOPBACK),
    attach_type: AttachType::TcxIngress,
    hook: Hook::TCX_INGRESS,
    takes_programs: true,
};

const EGRESS: Place<'_> = Place {
    attach_type: AttachType::TcxEgress,
    hook: Hook::TCX_EGRESS,
    ..INGRESS
};

fn a_device_that_is_not_there(_sandbox: &Sandbox) -> Result<()> {
    let program = INGRESS.program()?;
    let request = LinkCreate::new(&program, AttachType::TcxIngress);
    for request in [request, request.target_ifindex(0x7fff_0000)] {
        ensure_refused!(
            RawLink::create(&request),
            Error::Command(_),
            Some(libc::ENODEV)
        );
    }
    Ok(())
}

fn a_program_that_does_not_fit(_sandbox: &Sandbox) -> Result<()> {
    let other = Program::passing(Hook::XDP)?;
    ensure_refused!(
        RawLink::create(&INGRESS.request(&other)),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    let link = INGRESS.attach(AttachFlags::empty(), MprogArgs::new())?.link;
    ensure_refused!(link.update(&other), Error::Command(_), Some(libc::EINVAL));
    Ok(())
}

fn a_program_that_is_there_already(_sandbox: &Sandbox) -> Result<()> {
    let attach = || INGRESS.attach(AttachFlags::empty(), MprogArgs::new());
    let (first, second) = (attach()?, attach()?);
    ensure_refused!(
        RawLink::create(&INGRESS.request(&first.program)),
        Error::Command(_),
        Some(libc::EEXIST)
    );
    ensure_refused!(
        second.link.update(&first.program),
        Error::Command(_),
        Some(libc::EEXIST)
    );
    // In the other direction it is not.
    drop(RawLink::create(&EGRESS.request(&first.program))?);
    Ok(())
}

fn flags_that_do_not_go(_sandbox: &Sandbox) -> Result<()> {
    let there = INGRESS.attach(AttachFlags::empty(), MprogArgs::new())?;
    let program = INGRESS.program()?;
    let request = INGRESS.request(&program);
    let anchor = MprogArgs::new().anchor(bpf_link::Anchor::link(&there.link));
    for (request, errno) in [
        (
            request.flags(AttachFlags::from_bits_retain(1 << 30)),
            libc::EINVAL,
        ),
        (
            request
                .flags(AttachFlags::BEFORE | AttachFlags::AFTER)
                .args(anchor),
            libc::ERANGE,
        ),
    ] {
        ensure_refused!(RawLink::create(&request), Error::Command(_), Some(errno));
    }
    Ok(())
}

fn sixty_three_programs_to_a_hook(_sandbox: &Sandbox) -> Result<()> {
    let attach = || INGRESS.attach(AttachFlags::empty(), MprogArgs::new());
    let many = (0..63).map(|_| attach()).collect::<Result<Vec<_>>>()?;
    let program = INGRESS.program()?;
    ensure_refused!(
        RawLink::create(&INGRESS.request(&program)),
        Error::Command(_),
        Some(libc::ERANGE)
    );
    drop(many);
    attach()?;
    Ok(())
}

fn the_revision_counts_changes(_sandbox: &Sandbox) -> Result<()> {
    let attach = || INGRESS.attach(AttachFlags::empty(), MprogArgs::new());
    let first = attach()?;
    let revision = INGRESS.revision()?;
    let second = attach()?;
    ensure!(INGRESS.revision()? == revision + 1);
    second.link.detach()?;
    ensure!(INGRESS.revision()? == revision + 2);
    first.link.update(&second.program)?;
    ensure!(INGRESS.revision()? == revision + 3);
    // The same program is no change.
    first
        .link
        .update(Update::program(&second.program).expecting(&second.program))?;
    ensure!(INGRESS.revision()? == revision + 3);
    Ok(())
}

fn the_device_goes(_sandbox: &Sandbox) -> Result<()> {
    let device = Device::create(DeviceKind::Veth, "goes")?;
    let place = Place {
        target: LinkTarget::Ifindex(device.index()),
        ..INGRESS
    };
    let attached = place.attach(AttachFlags::empty(), MprogArgs::new())?;
    let holds = |ifindex| {
        let info = attached.link.info()?;
        let mut fields = fields(ifindex, AttachType::TcxIngress).into_iter();
        anyhow::Ok(fields.all(|field| field.check(&info).is_ok()))
    };
    ensure!(holds(device.index())?);
    device.delete()?;
    eventually_holds("the link is without its device", || holds(0))?;
    ensure_refused!(
        attached.link.update(&attached.program),
        Error::HookGone(_),
        Some(libc::ENOLINK)
    );
    attached.link.detach()?;
    Ok(())
}

fn first_and_last(_sandbox: &Sandbox) -> Result<()> {
    positions::first_and_last(&INGRESS)
}

fn around_an_anchor(_sandbox: &Sandbox) -> Result<()> {
    positions::around_an_anchor(&INGRESS)?;
    positions::around_an_anchor(&EGRESS)
}

fn around_descriptor_zero(_sandbox: &Sandbox) -> Result<()> {
    positions::around_descriptor_zero(&INGRESS)
}

fn an_expected_revision(_sandbox: &Sandbox) -> Result<()> {
    positions::an_expected_revision(&INGRESS)
}

fn an_anchor_by_id_takes_a_privilege(_sandbox: &Sandbox) -> Result<()> {
    positions::an_anchor_by_id_takes_a_privilege(&INGRESS)
}

fn anchors_that_are_not_here(_sandbox: &Sandbox) -> Result<()> {
    positions::anchors_that_are_not_here(&INGRESS, &EGRESS)
}

fn anchors_of_another_kind(_sandbox: &Sandbox) -> Result<()> {
    positions::anchors_of_another_kind(&INGRESS)
}

fn a_struct_ops_anchor(_sandbox: &Sandbox) -> Result<()> {
    positions::a_struct_ops_anchor(&INGRESS)
}

/// Whether the kernel knows what tcx needs can be told only where the arguments are longer than
/// what it knows.
fn before_there_was_tcx(_sandbox: &Sandbox) -> Result<()> {
    let classifier = Hook::new(Hook::TCX_INGRESS.program_type, 0, Hook::TCX_INGRESS.pass);
    let program = Program::passing(classifier)?;
    let request = INGRESS.request(&program);
    for request in [request, request.args(MprogArgs::new().expected_revision(1))] {
        ensure_refused!(
            RawLink::create(&request),
            Error::UnsupportedByKernel(_) | Error::Command(_),
            Some(libc::EINVAL)
        );
    }
    Ok(())
}
