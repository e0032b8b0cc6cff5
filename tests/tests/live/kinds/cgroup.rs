//! cgroup links: the hooks of a cgroup.

mod ensure;
mod golden;
mod soak;
mod sorts;
mod typed;

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::fd::AsFd as _;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{AttachFlags, AttachType, Error, LinkCreate, LinkKind, MprogArgs, RawLink};
use bpf_link_sys::{BPF_CGROUP_INET_EGRESS, BPF_F_ALLOW_MULTI};
use bpf_link_tests::sys::{self, LinkTarget};
use bpf_link_tests::{Cgroup, Hook, Loader, Netns, Program, Sandbox, eventually_holds};

use crate::fixture::traffic::{connect, exchange, send_packet};
use crate::fixture::{as_nobody, ensure_refused};
use crate::harness::Listed::{self, Tests};
use crate::harness::{Need, Test, test};
use crate::suites::conformance::{self, Counting, Field, Operation, Subject, field};
use crate::suites::descriptor_zero;
use crate::suites::kind_tests::KindTests;
use crate::suites::positions::{self, Place};

/// Positions, preorder and revisions, since Linux 6.17.
const ORDER: &[Need] = &[Need::Member("cgroup_bpf", "revisions")];
const NO_ORDER: &[Need] = &[Need::Without(&Need::Member("cgroup_bpf", "revisions"))];

/// What tests of all kinds need to know of this one.
pub(crate) const KIND: KindTests = KindTests::new(
    LinkKind::Cgroup,
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
    test!(every_hook),
    test!(a_security_hook).needs(&[
        Need::Trampoline,
        Need::Constant("bpf_attach_type", "BPF_LSM_CGROUP"),
        Need::SecurityModule("bpf"),
    ]),
    test!(what_is_no_cgroup),
    test!(the_cgroup_is_descriptor_zero),
    test!(a_program_that_does_not_fit),
    test!(a_program_for_the_other_direction),
    test!(flags_that_there_are_not),
    test!(a_program_that_does_not_share),
    test!(a_capability_is_missing),
    test!(sixty_four_programs_to_a_hook),
    test!(the_cgroup_goes),
    test!(parents_first).needs(ORDER),
    test!(first_and_last).needs(ORDER),
    test!(around_an_anchor).needs(ORDER),
    test!(around_descriptor_zero).needs(ORDER),
    test!(an_expected_revision).needs(ORDER),
    test!(an_anchor_by_id_takes_a_privilege).needs(ORDER),
    test!(anchors_that_are_not_here).needs(ORDER),
    test!(anchors_of_another_kind).needs(ORDER),
    test!(a_struct_ops_anchor)
        .needs(ORDER)
        .also_needs(Need::STRUCT_OPS)
        .also_needs(&[Need::OwnKernel]),
    test!(before_there_was_an_order).needs(NO_ORDER),
];

const EGRESS: AttachType = AttachType::CgroupInetEgress;

fn on<'a>(cgroup: &'a Cgroup, program: &'a Program) -> LinkCreate<'a> {
    LinkCreate::new(program, EGRESS).target_fd(cgroup)
}

fn fields(id: u64, attach_type: AttachType) -> Vec<Field> {
    vec![
        field!(cgroup.cgroup_id, id).of_the_hook(),
        field!(cgroup.attach_type, attach_type.as_raw()),
    ]
}

fn conforms(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("conforms")?;
    conformance::check(&Subject {
        sandbox,
        kind: LinkKind::Cgroup,
        first: Counting::program(Hook::CGROUP_EGRESS)?,
        second: Counting::program(Hook::CGROUP_EGRESS)?,
        create: &|program| RawLink::create(&LinkCreate::new(program, EGRESS).target_fd(&cgroup)),
        event: &|_| cgroup.inside(send_packet),
        fields: fields(cgroup.id()?, EGRESS),
        update: Operation::Works,
        detach: Operation::Works,
    })
}

/// Does, in a cgroup, all that `every_hook` has hooks for.
fn do_everything() -> Result<()> {
    let [here, there] = connect()?;
    exchange(&here, &there)?;
    here.set_read_timeout(Some(Duration::from_secs(1)))?;
    here.read_timeout()?;
    send_packet()?;
    drop(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?);
    drop(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?);
    File::open("/dev/null")?;
    std::fs::read_to_string("/proc/sys/kernel/ostype")?;
    Ok(())
}

fn every_hook(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("every")?;
    for (hook, attach_type) in [
        (Hook::CGROUP_INGRESS, AttachType::CgroupInetIngress),
        (Hook::CGROUP_EGRESS, AttachType::CgroupInetEgress),
        (Hook::CGROUP_SOCK_CREATE, AttachType::CgroupInetSockCreate),
        (Hook::CGROUP_SOCK_RELEASE, AttachType::CgroupInetSockRelease),
        (Hook::CGROUP_POST_BIND4, AttachType::CgroupInet4PostBind),
        (Hook::CGROUP_BIND4, AttachType::CgroupInet4Bind),
        (Hook::CGROUP_CONNECT4, AttachType::CgroupInet4Connect),
        (Hook::CGROUP_SENDMSG4, AttachType::CgroupUdp4Sendmsg),
        (Hook::CGROUP_SOCK_OPS, AttachType::CgroupSockOps),
        (Hook::CGROUP_DEVICE, AttachType::CgroupDevice),
        (Hook::CGROUP_SYSCTL, AttachType::CgroupSysctl),
        (Hook::CGROUP_GETSOCKOPT, AttachType::CgroupGetsockopt),
        (Hook::CGROUP_SETSOCKOPT, AttachType::CgroupSetsockopt),
    ] {
        let check = || {
            let program = Counting::program(hook)?;
            let request = LinkCreate::new(&program, attach_type).target_fd(&cgroup);
            let link = RawLink::create(&request)?;
            ensure!(link.kind()? == LinkKind::Cgroup);
            for field in fields(cgroup.id()?, attach_type) {
                field.check(&link.info()?)?;
            }
            ensure!(program.runs(|| cgroup.inside(do_everything))?, "not run");
            link.detach()?;
            ensure!(!program.runs(|| cgroup.inside(do_everything))?, "run");
            Ok(())
        };
        check().with_context(|| attach_type.to_string())?;
    }
    Ok(())
}

fn a_security_hook(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("lsm")?;
    let load =
        || Counting::loaded(Loader::new(Hook::LSM_CGROUP).function("bpf_lsm_socket_create")?);
    conformance::check(&Subject {
        sandbox,
        kind: LinkKind::Cgroup,
        first: load()?,
        second: load()?,
        create: &|program| {
            RawLink::create(&LinkCreate::new(program, AttachType::LsmCgroup).target_fd(&cgroup))
        },
        event: &|_| cgroup.inside(send_packet),
        fields: fields(cgroup.id()?, AttachType::LsmCgroup),
        update: Operation::Works,
        detach: Operation::Works,
    })
}

fn what_is_no_cgroup(sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    let directory = File::open(sandbox.directory())?;
    let netns = Netns::current()?;
    for fd in [directory.as_fd(), netns.as_fd(), program.as_fd()] {
        ensure_refused!(
            RawLink::create(&LinkCreate::new(&program, EGRESS).target_fd(&fd)),
            Error::Command(_),
            Some(libc::EBADF)
        );
    }
    Ok(())
}

fn the_cgroup_is_descriptor_zero(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("zero")?;
    let program = Counting::program(Hook::CGROUP_EGRESS)?;
    let link = descriptor_zero::with(&cgroup, |zero| {
        Ok(RawLink::create(
            &LinkCreate::new(&program, EGRESS).target_fd(&zero),
        )?)
    })?;
    for field in fields(cgroup.id()?, EGRESS) {
        field.check(&link.info()?)?;
    }
    ensure!(program.runs(|| cgroup.inside(send_packet))?);
    Ok(())
}

fn a_program_that_does_not_fit(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("fit")?;
    for hook in [Hook::XDP, Hook::CGROUP_SOCK_CREATE] {
        let program = Program::passing(hook)?;
        let request = on(&cgroup, &program);
        // Arguments that ask for nothing are not why an older kernel refuses.
        for request in [request, request.args(MprogArgs::new())] {
            ensure_refused!(
                RawLink::create(&request),
                Error::Command(_),
                Some(libc::EINVAL)
            );
        }
    }
    // Of the right type, but loaded for another hook.
    let program = Program::passing(Hook::CGROUP_SOCK_CREATE)?;
    let request = LinkCreate::new(&program, AttachType::CgroupInet4PostBind).target_fd(&cgroup);
    ensure_refused!(
        RawLink::create(&request),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    Ok(())
}

/// An update does not compare attach types.
fn a_program_for_the_other_direction(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("direction")?;
    let egress = Program::passing(Hook::CGROUP_EGRESS)?;
    let ingress = Counting::program(Hook::CGROUP_INGRESS)?;
    let link = RawLink::create(&on(&cgroup, &egress))?;
    link.update(&ingress)?;
    ensure!(ingress.runs(|| cgroup.inside(send_packet))?);
    for field in fields(cgroup.id()?, EGRESS) {
        field.check(&link.info()?)?;
    }
    let other_type = Program::passing(Hook::CGROUP_SOCK_CREATE)?;
    ensure_refused!(
        link.update(&other_type),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    Ok(())
}

fn flags_that_there_are_not(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("flags")?;
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    for flags in [BPF_F_ALLOW_MULTI, 1 << 30] {
        let request = on(&cgroup, &program).flags(AttachFlags::from_bits_retain(flags));
        ensure_refused!(
            RawLink::create(&request),
            Error::Command(_),
            Some(libc::EINVAL)
        );
    }
    Ok(())
}

fn a_program_that_does_not_share(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("exclusive")?;
    let exclusive = Program::passing(Hook::CGROUP_EGRESS)?;
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    sys::prog_attach(cgroup.as_fd(), exclusive.as_fd(), BPF_CGROUP_INET_EGRESS, 0)?;
    ensure_refused!(
        RawLink::create(&on(&cgroup, &program)),
        Error::PermissionDenied(_),
        Some(libc::EPERM)
    );
    sys::prog_detach(cgroup.as_fd(), exclusive.as_fd(), BPF_CGROUP_INET_EGRESS)?;
    drop(RawLink::create(&on(&cgroup, &program))?);
    Ok(())
}

fn a_capability_is_missing(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("capability")?;
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    as_nobody(|| {
        ensure_refused!(
            RawLink::create(&on(&cgroup, &program)),
            Error::PermissionDenied(_),
            Some(libc::EPERM)
        );
        Ok(())
    })
}

fn sixty_four_programs_to_a_hook(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("many")?;
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    let create = || RawLink::create(&on(&cgroup, &program));
    let links: Vec<RawLink> = (0..64).map(|_| create()).collect::<bpf_link::Result<_>>()?;
    ensure_refused!(create(), Error::Command(_), Some(libc::E2BIG));
    drop(links);
    drop(create()?);
    Ok(())
}

fn the_cgroup_goes(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("goes")?;
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    let link = RawLink::create(&on(&cgroup, &program))?;
    for field in fields(cgroup.id()?, EGRESS) {
        field.check(&link.info()?)?;
    }
    cgroup.remove()?;
    eventually_holds("the link is without its cgroup", || {
        let info = link.info()?;
        let mut fields = fields(0, EGRESS).into_iter();
        Ok(fields.all(|field| field.check(&info).is_ok()))
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

fn parents_first(sandbox: &Sandbox) -> Result<()> {
    let parent = sandbox.new_cgroup("parent")?;
    let child = parent.child("child")?;
    let load = || Program::passing(Hook::CGROUP_EGRESS);
    let (first, second, third) = (load()?, load()?, load()?);
    let _third = RawLink::create(&on(&parent, &third))?;
    let _second = RawLink::create(&on(&child, &second))?;
    let _first = RawLink::create(&on(&parent, &first).flags(AttachFlags::PREORDER))?;
    let order = sys::effective_programs(child.as_fd(), BPF_CGROUP_INET_EGRESS)?;
    ensure!(
        order == [first.id()?, second.id()?, third.id()?],
        "{order:?}"
    );
    Ok(())
}

/// The hook of a cgroup that has a list.
pub(crate) fn place(cgroup: &Cgroup) -> Place<'_> {
    Place {
        target: LinkTarget::Fd(cgroup.as_fd()),
        attach_type: EGRESS,
        hook: Hook::CGROUP_EGRESS,
        takes_programs: false,
    }
}

fn first_and_last(sandbox: &Sandbox) -> Result<()> {
    positions::first_and_last(&place(&sandbox.new_cgroup("order")?))
}

fn around_an_anchor(sandbox: &Sandbox) -> Result<()> {
    positions::around_an_anchor(&place(&sandbox.new_cgroup("order")?))
}

fn around_descriptor_zero(sandbox: &Sandbox) -> Result<()> {
    positions::around_descriptor_zero(&place(&sandbox.new_cgroup("order")?))
}

fn an_expected_revision(sandbox: &Sandbox) -> Result<()> {
    positions::an_expected_revision(&place(&sandbox.new_cgroup("order")?))
}

fn an_anchor_by_id_takes_a_privilege(sandbox: &Sandbox) -> Result<()> {
    positions::an_anchor_by_id_takes_a_privilege(&place(&sandbox.new_cgroup("order")?))
}

fn anchors_that_are_not_here(sandbox: &Sandbox) -> Result<()> {
    let (here, elsewhere) = (
        sandbox.new_cgroup("here")?,
        sandbox.new_cgroup("elsewhere")?,
    );
    positions::anchors_that_are_not_here(&place(&here), &place(&elsewhere))
}

fn anchors_of_another_kind(sandbox: &Sandbox) -> Result<()> {
    positions::anchors_of_another_kind(&place(&sandbox.new_cgroup("order")?))
}

fn a_struct_ops_anchor(sandbox: &Sandbox) -> Result<()> {
    positions::a_struct_ops_anchor(&place(&sandbox.new_cgroup("order")?))
}

/// Such a kernel would attach, and ignore what it does not know.
fn before_there_was_an_order(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("order")?;
    let place = place(&cgroup);
    let there = place.attach(AttachFlags::empty(), MprogArgs::new())?;
    let program = place.program()?;
    let request = place.request(&program);
    let anchored = MprogArgs::new().anchor(bpf_link::Anchor::link(&there.link));
    for request in [
        request.args(MprogArgs::new().expected_revision(1)),
        request.args(MprogArgs::new().expected_revision(7)),
        request.args(anchored),
        request.args(anchored).flags(AttachFlags::BEFORE),
    ] {
        ensure_refused!(
            RawLink::create(&request),
            Error::UnsupportedByKernel(_),
            Some(libc::EINVAL)
        );
    }
    let attached = sys::prog_query(place.target, EGRESS.as_raw())?;
    ensure!(attached == [there.program.id()?], "{attached:?}");
    // Without either, the arguments ask for nothing.
    drop(RawLink::create(&request.args(MprogArgs::new()))?);
    Ok(())
}
