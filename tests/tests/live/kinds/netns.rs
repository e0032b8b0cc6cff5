//! netns links: the flow dissector and the socket lookup of a network namespace.

mod ensure;
mod golden;
mod soak;
mod sorts;
mod typed;

use std::fs::File;
use std::os::fd::AsFd as _;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{AttachFlags, AttachType, Error, LinkCreate, LinkKind, RawLink, Update};
use bpf_link_sys::BPF_SK_LOOKUP;
use bpf_link_tests::sys::{self, LinkTarget};
use bpf_link_tests::{Hook, Netns, Program, Sandbox, device, eventually_holds};

use crate::fixture::traffic::{send_frame, send_packet};
use crate::fixture::{LOOPBACK, ensure_refused};
use crate::harness::Listed::{self, Tests};
use crate::harness::{Test, test};
use crate::suites::conformance::{self, Counting, Field, Operation, Subject, field};
use crate::suites::descriptor_zero;
use crate::suites::kind_tests::KindTests;

/// What tests of all kinds need to know of this one.
pub(crate) const KIND: KindTests = KindTests::new(
    LinkKind::Netns,
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
    test!(conforms_as_flow_dissector),
    test!(another_namespace),
    test!(the_namespace_is_descriptor_zero),
    test!(what_is_no_network_namespace),
    test!(a_program_that_does_not_fit),
    test!(flags_that_there_are_not),
    test!(one_flow_dissector),
    test!(sixty_four_lookups_in_order),
    test!(the_namespace_goes),
];

const LOOKUP: AttachType = AttachType::SkLookup;

fn request<'a>(netns: &'a Netns, program: &'a Program) -> LinkCreate<'a> {
    LinkCreate::new(program, LOOKUP).target_fd(netns)
}

fn fields(inode: u64, attach_type: AttachType) -> Result<Vec<Field>> {
    // The kernel's own number for a namespace has 32 bits.
    let inode = u32::try_from(inode)?;
    Ok(vec![
        field!(netns.netns_ino, inode).of_the_hook(),
        field!(netns.attach_type, attach_type.as_raw()),
    ])
}

fn conforms(sandbox: &Sandbox) -> Result<()> {
    let netns = Netns::current()?;
    conformance::check(&Subject {
        sandbox,
        kind: LinkKind::Netns,
        first: Counting::program(Hook::SK_LOOKUP)?,
        second: Counting::program(Hook::SK_LOOKUP)?,
        create: &|program| RawLink::create(&LinkCreate::new(program, LOOKUP).target_fd(&netns)),
        event: &|_| send_packet(),
        fields: fields(netns.inode()?, LOOKUP)?,
        update: Operation::Works,
        detach: Operation::Works,
    })
}

fn conforms_as_flow_dissector(sandbox: &Sandbox) -> Result<()> {
    let attach_type = AttachType::FlowDissector;
    let netns = Netns::current()?;
    conformance::check(&Subject {
        sandbox,
        kind: LinkKind::Netns,
        first: Counting::program(Hook::FLOW_DISSECTOR)?,
        second: Counting::program(Hook::FLOW_DISSECTOR)?,
        create: &|program| {
            RawLink::create(&LinkCreate::new(program, attach_type).target_fd(&netns))
        },
        // A frame that comes past the network stack has its headers looked for.
        event: &|_| send_frame(LOOPBACK, LOOPBACK),
        fields: fields(netns.inode()?, attach_type)?,
        update: Operation::Works,
        detach: Operation::Works,
    })
}

fn another_namespace(_sandbox: &Sandbox) -> Result<()> {
    let other = Netns::create()?;
    other.inside(|| device::bring_up(LOOPBACK))?;
    let program = Counting::program(Hook::SK_LOOKUP)?;
    let link = RawLink::create(&LinkCreate::new(&program, LOOKUP).target_fd(&other))?;
    for field in fields(other.inode()?, LOOKUP)? {
        field.check(&link.info()?)?;
    }
    ensure!(!program.runs(send_packet)?, "it has run here");
    ensure!(program.runs(|| other.inside(send_packet))?, "not there");
    link.detach()?;
    ensure!(!program.runs(|| other.inside(send_packet))?);
    Ok(())
}

fn the_namespace_is_descriptor_zero(_sandbox: &Sandbox) -> Result<()> {
    let netns = Netns::current()?;
    let program = Counting::program(Hook::SK_LOOKUP)?;
    let _link = descriptor_zero::with(&netns, |zero| {
        Ok(RawLink::create(
            &LinkCreate::new(&program, LOOKUP).target_fd(&zero),
        )?)
    })?;
    ensure!(program.runs(send_packet)?);
    Ok(())
}

fn what_is_no_network_namespace(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::SK_LOOKUP)?;
    let mounts = File::open("/proc/self/ns/mnt")?;
    let file = File::open("/proc/self/comm")?;
    for fd in [mounts.as_fd(), file.as_fd(), program.as_fd()] {
        ensure_refused!(
            RawLink::create(&LinkCreate::new(&program, LOOKUP).target_fd(&fd)),
            Error::Command(_),
            Some(libc::EINVAL)
        );
    }
    Ok(())
}

fn a_program_that_does_not_fit(_sandbox: &Sandbox) -> Result<()> {
    let netns = Netns::current()?;
    for hook in [Hook::FLOW_DISSECTOR, Hook::XDP] {
        let program = Program::passing(hook)?;
        ensure_refused!(
            RawLink::create(&request(&netns, &program)),
            Error::Command(_),
            Some(libc::EINVAL)
        );
    }
    let program = Program::passing(Hook::SK_LOOKUP)?;
    let link = RawLink::create(&request(&netns, &program))?;
    let other = Program::passing(Hook::FLOW_DISSECTOR)?;
    ensure_refused!(link.update(&other), Error::Command(_), Some(libc::EINVAL));
    Ok(())
}

fn flags_that_there_are_not(_sandbox: &Sandbox) -> Result<()> {
    let netns = Netns::current()?;
    let program = Program::passing(Hook::SK_LOOKUP)?;
    for flags in [AttachFlags::BEFORE, AttachFlags::from_bits_retain(1 << 30)] {
        ensure_refused!(
            RawLink::create(&request(&netns, &program).flags(flags)),
            Error::Command(_),
            Some(libc::EINVAL)
        );
    }
    Ok(())
}

fn one_flow_dissector(_sandbox: &Sandbox) -> Result<()> {
    let netns = Netns::current()?;
    let load = || Program::passing(Hook::FLOW_DISSECTOR);
    let (first, second) = (load()?, load()?);
    let request = |program| {
        let request = LinkCreate::new(program, AttachType::FlowDissector).target_fd(&netns);
        RawLink::create(&request)
    };
    let link = request(&first)?;
    ensure_refused!(request(&second), Error::Command(_), Some(libc::E2BIG));
    link.detach()?;
    drop(request(&second)?);
    Ok(())
}

fn sixty_four_lookups_in_order(_sandbox: &Sandbox) -> Result<()> {
    let netns = Netns::current()?;
    let programs: Vec<Program> = (0..64)
        .map(|_| Program::passing(Hook::SK_LOOKUP))
        .collect::<Result<_>>()?;
    let create = |program| RawLink::create(&request(&netns, program));
    let mut links: Vec<RawLink> = programs
        .iter()
        .map(create)
        .collect::<bpf_link::Result<_>>()?;
    let ids: Vec<u32> = programs.iter().map(Program::id).collect::<Result<_>>()?;
    let order = || sys::prog_query(LinkTarget::Fd(netns.as_fd()), BPF_SK_LOOKUP);
    ensure!(order()? == ids);
    let first = programs.first().context("there is none")?;
    ensure_refused!(create(first), Error::Command(_), Some(libc::E2BIG));
    // One is detached, and the same program may come again.
    drop(links.remove(0));
    let _last = create(first)?;
    let mut rotated = ids;
    rotated.rotate_left(1);
    ensure!(order()? == rotated);
    Ok(())
}

fn the_namespace_goes(_sandbox: &Sandbox) -> Result<()> {
    let netns = Netns::create()?;
    let program = Program::passing(Hook::SK_LOOKUP)?;
    let link = RawLink::create(&request(&netns, &program))?;
    // The link does not hold it.
    drop(netns);
    eventually_holds("the link is without its namespace", || {
        let info = link.info()?;
        let mut fields = fields(0, LOOKUP)?.into_iter();
        Ok(fields.all(|field| field.check(&info).is_ok()))
    })?;
    ensure!(link.info()?.program_id().map(u32::from) == Some(program.id()?));
    ensure_refused!(
        link.update(&program),
        Error::HookGone(_),
        Some(libc::ENOLINK)
    );
    // Which program was expected comes first.
    let other = Program::passing(Hook::SK_LOOKUP)?;
    ensure_refused!(
        link.update(Update::program(&program).expecting(&other)),
        Error::OldProgramMismatch { .. },
        Some(libc::EPERM)
    );
    link.detach()?;
    Ok(())
}
