//! cgroup links through their type: attaching, info, queries, and what is refused.

use std::os::fd::AsFd as _;

use anyhow::{Context as _, Result, ensure};
use bpf_link::RawLink;
use bpf_link_tests::sys::LinkTarget;
use bpf_link_tests::{Hook, Program, Sandbox, eventually_holds};
use bpf_link_typed::{
    AttachFlags, CgroupAttach, CgroupHook, CgroupLink, Error, FileRef, LinkAnchor, Position,
};

use crate::fixture::as_nobody;
use crate::fixture::attaching::{
    counting, counts, ensure_error, entries, id_of, order, request, stops,
};
use crate::fixture::traffic::send_packet;
use crate::harness::{Need, Test, test};
use crate::suites::operations::has_no;
use crate::suites::positions;

/// Positions, preorder and revisions of cgroup links, since Linux 6.17.
const ORDER: &[Need] = &[Need::Member("cgroup_bpf", "revisions")];
const NO_ORDER: &[Need] = &[Need::Without(&Need::Member("cgroup_bpf", "revisions"))];
/// Since Linux 6.17, and since some point of 6.12.
const CGROUP_REVISIONS: Need = Need::Member("cgroup_bpf", "revisions");

has_no! { CgroupLink: create_iter }

pub(crate) const TESTS: &[Test] = &[
    test!(attach),
    test!(attach_errors).alone(),
    test!(positions).needs(ORDER),
    test!(preorder).needs(ORDER),
    test!(without_positions).needs(NO_ORDER),
    test!(errors_anchors).needs(ORDER),
    test!(without_preorder).needs(NO_ORDER),
    test!(info),
    test!(info_that_goes),
    test!(query),
    test!(query_errors),
    test!(query_revision).needs(&[CGROUP_REVISIONS]),
    test!(a_cgroup_without_the_hook).needs(&[Need::Without(&Need::Constant(
        "bpf_attach_type",
        "BPF_CGROUP_UNIX_CONNECT",
    ))]),
];

fn attach(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("attach")?;
    let (program, counter) = counting(Hook::CGROUP_EGRESS)?;
    let file = std::fs::File::open(cgroup.path())?;
    for reference in [
        FileRef::from(cgroup.path()),
        FileRef::from(&file),
        FileRef::fd(&cgroup),
    ] {
        let link = CgroupAttach::to(reference, CgroupHook::InetEgress).attach(&program)?;
        let info = link.info()?;
        ensure!(info.cgroup_id == Some(cgroup.id()?) && info.program_id == id_of(&program)?);
        ensure!(info.attach_type == CgroupHook::InetEgress.attach_type());
        ensure!(counts(&counter, || cgroup.inside(send_packet))?);
        drop(link);
        stops(&counter, || cgroup.inside(send_packet))?;
    }
    Ok(())
}

fn attach_errors(sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::CGROUP_SOCK_CREATE)?;
    let to = |file, hook| CgroupAttach::to(file, hook).attach(&program);
    let create = CgroupHook::InetSockCreate;
    let missing = sandbox.cgroup_root()?.join("nothing");
    ensure_error!(
        to(FileRef::path(&missing), create),
        Error::File { .. },
        Some(libc::ENOENT),
        &[&missing.display().to_string()]
    );
    ensure_error!(
        to(FileRef::from("/"), create),
        Error::NotACgroup { .. },
        Some(libc::EBADF),
        &["/ is not a cgroup"]
    );
    let cgroup = sandbox.new_cgroup("attach")?;
    let named = format!("cgroup {}", cgroup.path().display());
    for hook in [CgroupHook::Inet4PostBind, CgroupHook::InetEgress] {
        let refused = to(FileRef::path(cgroup.path()), hook);
        let Err(Error::AttachTypeMismatch { attach_type, .. }) = &refused else {
            anyhow::bail!("{refused:?}");
        };
        ensure!(*attach_type == hook.attach_type());
        ensure_error!(
            refused,
            Error::AttachTypeMismatch { .. },
            Some(libc::EINVAL),
            &[&named]
        );
    }
    let links: Vec<_> = std::iter::repeat_with(|| to(FileRef::fd(&cgroup), create))
        .take(64)
        .collect::<Result<_, _>>()?;
    ensure_error!(
        to(FileRef::path(cgroup.path()), create),
        Error::HookTaken { .. },
        Some(libc::E2BIG),
        &[&named]
    );
    drop(links);
    let egress = Program::passing(Hook::CGROUP_EGRESS)?;
    as_nobody(|| {
        let to = CgroupAttach::to(cgroup.path(), CgroupHook::InetEgress);
        ensure_error!(
            to.attach(&egress),
            Error::Link(bpf_link::Error::PermissionDenied(_)),
            Some(libc::EPERM),
            &[&named]
        );
        Ok(())
    })
}

fn positions(sandbox: &Sandbox) -> Result<()> {
    let (cgroup, other) = (sandbox.new_cgroup("attach")?, sandbox.new_cgroup("other")?);
    let hook = CgroupHook::InetEgress;
    let programs: Vec<Program> = std::iter::repeat_with(|| Program::passing(Hook::CGROUP_EGRESS))
        .take(5)
        .collect::<Result<_>>()?;
    let [one, two, three, four, five] = programs.as_slice() else {
        anyhow::bail!("five were made");
    };
    let to = CgroupAttach::to(FileRef::fd(&cgroup), hook);
    let ids = |order: &[&Program]| order.iter().map(|p| p.id()).collect::<Result<Vec<_>>>();
    let now = || order(LinkTarget::Fd(cgroup.as_fd()), hook.attach_type().as_raw());

    let first = to.attach(one)?;
    let _last = to.clone().position(Position::Last).attach(two)?;
    let _very_first = to.clone().position(Position::First).attach(three)?;
    let revision = now()?.1;
    let after = Position::After(LinkAnchor::link(&first));
    ensure_error!(
        to.clone()
            .position(after)
            .expected_revision(revision + 1)
            .attach(four),
        Error::Link(bpf_link::Error::StaleRevision(_)),
        Some(libc::ESTALE),
        &["hook cgroup_inet_egress"]
    );
    let _after = to
        .clone()
        .position(after)
        .expected_revision(revision)
        .attach(four)?;
    let before = Position::Before(LinkAnchor::LinkId(first.id()?));
    let _before = to.clone().position(before).attach(five)?;
    ensure!(now()?.0 == ids(&[three, five, one, four, two])?);

    let elsewhere = CgroupAttach::to(FileRef::fd(&other), hook).attach(one)?;
    ensure_error!(
        to.clone()
            .position(Position::Before(LinkAnchor::link(&elsewhere)))
            .attach(one),
        Error::AnchorNotOnHook(_),
        Some(libc::ENOENT),
        &[
            &format!("the anchor, link {}", elsewhere.id()?),
            "hook cgroup_inet_egress"
        ]
    );
    let gone = elsewhere.id()?;
    drop(elsewhere);
    ensure_error!(
        to.clone()
            .position(Position::Before(LinkAnchor::LinkId(gone)))
            .attach(one),
        Error::AnchorNotOnHook(_),
        Some(libc::ENOENT),
        &[&format!("link {gone}, the anchor")]
    );
    Ok(())
}

fn preorder(sandbox: &Sandbox) -> Result<()> {
    let parent = sandbox.new_cgroup("attach")?;
    let child = parent.child("child")?;
    let (program, counter) = counting(Hook::CGROUP_EGRESS)?;
    let to = CgroupAttach::to(FileRef::fd(&parent), CgroupHook::InetEgress).preorder();
    let link = to.attach(&program)?;
    ensure!(counts(&counter, || child.inside(send_packet))?);
    drop(link);
    child.remove()
}

fn without_positions(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("attach")?;
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    let named = format!("cgroup {}", cgroup.path().display());
    let to = CgroupAttach::to(cgroup.path(), CgroupHook::InetEgress);
    let link = to.attach(&program)?;
    for to in [
        to.clone().position(Position::First),
        to.clone().position(Position::Last),
        to.clone()
            .position(Position::Before(LinkAnchor::link(&link))),
        to.clone().expected_revision(1),
    ] {
        ensure_error!(
            to.attach(&program),
            Error::Link(bpf_link::Error::UnsupportedByKernel(_)),
            Some(libc::EINVAL),
            &[&named]
        );
    }
    Ok(())
}

/// One side runs before all others, and the other does not.
fn errors_anchors(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("errors")?;
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    let named = format!("cgroup {}", cgroup.path().display());
    let to = CgroupAttach::to(cgroup.path(), CgroupHook::InetEgress);
    let link = to.attach(&program)?;
    let before = Position::Before(LinkAnchor::link(&link));
    ensure_error!(
        to.clone().preorder().position(before).attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EINVAL),
        &[&named]
    );
    let owner = format!("cgroup {}", cgroup.path().display());
    positions::the_owner_is_named(&owner, |anchor| {
        CgroupAttach::to(cgroup.path(), CgroupHook::InetEgress)
            .position(Position::Before(anchor))
            .attach(&program)
    })
}

fn without_preorder(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("errors")?;
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    let named = format!("cgroup {}", cgroup.path().display());
    let to = CgroupAttach::to(cgroup.path(), CgroupHook::InetEgress);
    ensure_error!(
        to.clone().preorder().attach(&program),
        Error::Link(bpf_link::Error::UnsupportedByKernel(_)),
        Some(libc::EINVAL),
        &[&named]
    );
    drop(to.attach(&program)?);
    Ok(())
}

fn info(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("typed")?;
    for hook in [Hook::CGROUP_EGRESS, Hook::CGROUP_SOCK_CREATE] {
        let program = Program::passing(hook)?;
        let link = RawLink::create(&request(&program, hook).target_fd(&cgroup))?;
        let link = CgroupLink::try_from(link)?;
        let info = link.info()?;
        ensure!(info.id == link.id()? && info.program_id == id_of(&program)?);
        ensure!(info.cgroup_id == Some(cgroup.id()?), "{info:?}");
        ensure!(
            info.attach_type.attach_type().as_raw() == hook.attach_type,
            "{info:?}"
        );
        ensure!(info.is_defunct() == Some(false));
        link.detach()?;
        let detached = link.info()?;
        ensure!(detached.is_defunct() == Some(true) && detached.cgroup_id.is_none());
        ensure!(detached.attach_type == info.attach_type);
        ensure!(detached.program_id == info.program_id);
    }
    Ok(())
}

fn info_that_goes(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("typed")?;
    let hook = Hook::CGROUP_EGRESS;
    let program = Program::passing(hook)?;
    let link = RawLink::create(&request(&program, hook).target_fd(&cgroup))?;
    let link = CgroupLink::try_from(link)?;
    cgroup.remove()?;
    eventually_holds("the link knows", || {
        Ok(link.info()?.is_defunct() == Some(true))
    })
}

fn query(sandbox: &Sandbox) -> Result<()> {
    let parent = sandbox.new_cgroup("parent")?;
    let child = parent.child("child")?;
    let hook = CgroupHook::InetEgress;
    let (own, above) = (
        Program::passing(Hook::CGROUP_EGRESS)?,
        Program::passing(Hook::CGROUP_EGRESS)?,
    );
    let _own = CgroupAttach::to(FileRef::fd(&child), hook).attach(&own)?;
    let _above = CgroupAttach::to(FileRef::fd(&parent), hook).attach(&above)?;
    for file in [FileRef::from(child.path()), FileRef::fd(&child)] {
        let answer = hook.query(file.clone())?;
        ensure!(entries(&answer) == [(own.id()?, None)] && !answer.has_links);
        ensure!(answer.flags == AttachFlags::from_bits_retain(bpf_link_sys::BPF_F_ALLOW_MULTI));
        let answer = hook.query_effective(file)?;
        ensure!(entries(&answer) == [(own.id()?, None), (above.id()?, None)]);
    }
    ensure!(
        CgroupHook::InetIngress
            .query(child.path())?
            .programs
            .is_empty()
    );
    Ok(())
}

fn query_errors(sandbox: &Sandbox) -> Result<()> {
    let hook = CgroupHook::InetEgress;
    let missing = sandbox.cgroup_root()?.join("nothing");
    for asked in [
        hook.query(missing.as_path()),
        hook.query_effective(missing.as_path()),
    ] {
        ensure_error!(
            asked,
            Error::File { .. },
            Some(libc::ENOENT),
            &[&missing.display().to_string()]
        );
    }
    for asked in [hook.query("/"), hook.query_effective("/")] {
        ensure_error!(
            asked,
            Error::NotACgroup { .. },
            Some(libc::EBADF),
            &["/ is not a cgroup"]
        );
    }
    Ok(())
}

fn query_revision(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("revision")?;
    let hook = CgroupHook::InetEgress;
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    let to = CgroupAttach::to(cgroup.path(), hook);
    let revision = || hook.query(cgroup.path())?.revision.context("no revision");
    let before = revision()?;
    let _link = to.clone().expected_revision(before).attach(&program)?;
    ensure_error!(
        to.clone().expected_revision(before).attach(&program),
        Error::Link(bpf_link::Error::StaleRevision(_)),
        Some(libc::ESTALE),
        &[&cgroup.path().display().to_string()]
    );
    let _other = to.clone().expected_revision(revision()?).attach(&program)?;
    Ok(())
}

fn a_cgroup_without_the_hook(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("hook")?;
    let hook = CgroupHook::UnixConnect;
    for asked in [
        hook.query(cgroup.path()),
        hook.query_effective(cgroup.path()),
    ] {
        ensure_error!(
            asked,
            Error::Link(bpf_link::Error::UnsupportedByKernel(_)),
            Some(libc::EINVAL),
            &[&cgroup.path().display().to_string()]
        );
    }
    Ok(())
}
