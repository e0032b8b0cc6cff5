//! tcx links through their type: attaching, info, queries, and what is refused.

use anyhow::{Context as _, Result, ensure};
use bpf_link::{MprogArgs, RawLink};
use bpf_link_tests::sys::LinkTarget;
use bpf_link_tests::{Hook, Program, Sandbox};
use bpf_link_typed::{Anchor, Error, Interface, Position, TcxAttach, TcxHook, TcxLink};

use crate::fixture::LOOPBACK;
use crate::fixture::attaching::{
    counting, counts, ensure_error, ensure_unknown, entries, id_of, order, request, stops, without,
};
use crate::fixture::traffic::send_packet;
use crate::harness::{Need, Test, test};
use crate::suites::operations::has_no;
use crate::suites::positions;

has_no! { TcxLink: create_iter }

pub(crate) const TESTS: &[Test] = &[
    test!(attach).needs(Need::TCX),
    test!(attach_errors).needs(Need::TCX),
    test!(positions).needs(Need::TCX),
    test!(errors_anchors).needs(Need::TCX),
    test!(without).needs(without!("bpf_attach_type", "BPF_TCX_INGRESS")),
    test!(info).needs(Need::TCX),
    test!(query).needs(Need::TCX),
    test!(query_errors).needs(Need::TCX),
    test!(before_there_was_tcx).needs(&[Need::Without(&Need::Constant(
        "bpf_attach_type",
        "BPF_TCX_INGRESS",
    ))]),
];

fn attach(_sandbox: &Sandbox) -> Result<()> {
    for (hook, of) in [
        (Hook::TCX_INGRESS, TcxHook::Ingress),
        (Hook::TCX_EGRESS, TcxHook::Egress),
    ] {
        let (program, counter) = counting(hook)?;
        let link = TcxAttach::to("lo", of).attach(&program)?;
        let info = link.info()?;
        ensure!(info.ifindex == Some(LOOPBACK) && info.program_id == id_of(&program)?);
        ensure!(info.attach_type == of.attach_type());
        ensure!(counts(&counter, send_packet)?);
        drop(link);
        stops(&counter, send_packet)?;
    }
    Ok(())
}

fn attach_errors(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::TCX_INGRESS)?;
    for interface in [Interface::from("nowhere"), Interface::from(4711)] {
        let named = format!("interface {interface}");
        ensure_error!(
            TcxAttach::to(interface, TcxHook::Ingress).attach(&program),
            Error::NoSuchInterface { .. },
            Some(libc::ENODEV),
            &[&named]
        );
    }
    let to = TcxAttach::to("lo", TcxHook::Ingress);
    let link = to.attach(&program)?;
    ensure_error!(
        to.attach(&program),
        Error::AlreadyAttached(_),
        Some(libc::EEXIST),
        &["interface lo (index 1)"]
    );
    ensure_error!(
        to.attach(&Program::passing(Hook::XDP)?),
        Error::AttachTypeMismatch { .. },
        Some(libc::EINVAL),
        &["interface lo (index 1)"]
    );
    drop(link);
    let programs: Vec<Program> = std::iter::repeat_with(|| Program::passing(Hook::TCX_INGRESS))
        .take(63)
        .collect::<Result<_>>()?;
    let _links: Vec<_> = programs
        .iter()
        .map(|program| to.attach(program))
        .collect::<Result<_, _>>()?;
    ensure_error!(
        to.attach(&program),
        Error::HookTaken { .. },
        Some(libc::ERANGE),
        &["interface lo (index 1)"]
    );
    Ok(())
}

/// With every sort of anchor.
fn positions(_sandbox: &Sandbox) -> Result<()> {
    let programs: Vec<Program> = std::iter::repeat_with(|| Program::passing(Hook::TCX_EGRESS))
        .take(7)
        .collect::<Result<_>>()?;
    let [one, two, three, four, five, six, seven] = programs.as_slice() else {
        anyhow::bail!("seven were made");
    };
    let ids = |order: &[&Program]| order.iter().map(|p| p.id()).collect::<Result<Vec<_>>>();
    let hook = TcxHook::Egress;
    let now = || order(LinkTarget::Ifindex(LOOPBACK), hook.attach_type().as_raw());
    let to = TcxAttach::to("lo", hook);
    let at = |position| to.clone().position(position);

    let first = to.attach(one)?;
    let _links = [
        at(Position::Last).attach(two)?,
        at(Position::First).attach(three)?,
        at(Position::After(Anchor::link(&first))).attach(four)?,
        at(Position::Before(Anchor::LinkId(first.id()?))).attach(five)?,
        at(Position::Before(Anchor::program(three))).attach(six)?,
    ];
    let id = id_of(two)?.context("it has an id")?;
    let after = at(Position::After(Anchor::ProgramId(id)));
    let revision = now()?.1;
    ensure_error!(
        after.clone().expected_revision(revision - 1).attach(seven),
        Error::Link(bpf_link::Error::StaleRevision(_)),
        Some(libc::ESTALE),
        &["interface lo (index 1)"]
    );
    let seventh = after.expected_revision(revision).attach(seven)?;
    ensure!(now()?.0 == ids(&[six, three, five, one, four, two, seven])?);
    let gone = id_of(seven)?.context("it has an id")?;
    drop(seventh);
    ensure_error!(
        at(Position::After(Anchor::ProgramId(gone))).attach(seven),
        Error::AnchorNotOnHook(_),
        Some(libc::ENOENT),
        &[
            &format!("the anchor, program {gone}"),
            "interface lo (index 1)"
        ]
    );
    Ok(())
}

fn errors_anchors(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::TCX_INGRESS)?;
    positions::the_owner_is_named("interface lo", |anchor| {
        TcxAttach::to("lo", TcxHook::Ingress)
            .position(Position::Before(anchor.into()))
            .attach(&program)
    })
}

fn without(_sandbox: &Sandbox) -> Result<()> {
    let to = TcxAttach::to("lo", TcxHook::Ingress);
    ensure_unknown("interface lo", |program| to.attach(program))?;
    ensure_unknown("interface lo", |program| {
        to.clone().expected_revision(1).attach(program)
    })
}

fn info(_sandbox: &Sandbox) -> Result<()> {
    for hook in [Hook::TCX_INGRESS, Hook::TCX_EGRESS] {
        let program = Program::passing(hook)?;
        let request = request(&program, hook)
            .target_ifindex(LOOPBACK)
            .args(MprogArgs::new());
        let link = TcxLink::try_from(RawLink::create(&request)?)?;
        let info = link.info()?;
        ensure!(info.program_id == id_of(&program)? && info.ifindex == Some(LOOPBACK));
        ensure!(
            info.attach_type.attach_type().as_raw() == hook.attach_type,
            "{info:?}"
        );
        ensure!(info.is_defunct() == Some(false));
        link.detach()?;
        ensure!(link.info()?.is_defunct() == Some(true));
    }
    Ok(())
}

fn query(_sandbox: &Sandbox) -> Result<()> {
    let hook = TcxHook::Egress;
    let programs = [
        Program::passing(Hook::TCX_EGRESS)?,
        Program::passing(Hook::TCX_EGRESS)?,
    ];
    let [first, second] = &programs;
    let to = TcxAttach::to("lo", hook);
    let first_link = to.clone().attach(first)?;
    for interface in [Interface::from("lo"), Interface::from(LOOPBACK)] {
        let answer = hook.query(interface)?;
        ensure!(answer.has_links && answer.flags.is_empty());
        ensure!(entries(&answer) == [(first.id()?, Some(first_link.id()?.get()))]);
    }
    let revision = hook.query("lo")?.revision.context("no revision")?;
    let to = to.expected_revision(revision);
    let second_link = to.clone().attach(second)?;
    ensure!(
        entries(&hook.query("lo")?)
            == [
                (first.id()?, Some(first_link.id()?.get())),
                (second.id()?, Some(second_link.id()?.get())),
            ]
    );
    ensure_error!(
        to.attach(second),
        Error::Link(bpf_link::Error::StaleRevision(_)),
        Some(libc::ESTALE),
        &["interface lo (index 1)"]
    );
    ensure!(TcxHook::Ingress.query("lo")?.programs.is_empty());
    Ok(())
}

fn query_errors(_sandbox: &Sandbox) -> Result<()> {
    for interface in [Interface::from("nothing"), Interface::from(u32::MAX)] {
        let named = format!("interface {interface}");
        ensure_error!(
            TcxHook::Ingress.query(interface),
            Error::NoSuchInterface { .. },
            Some(libc::ENODEV),
            &[&named]
        );
    }
    Ok(())
}

fn before_there_was_tcx(_sandbox: &Sandbox) -> Result<()> {
    ensure_error!(
        TcxHook::Ingress.query("lo"),
        Error::Link(bpf_link::Error::UnsupportedByKernel(_)),
        Some(libc::EINVAL),
        &["interface lo (index 1)"]
    );
    Ok(())
}
