//! The hooks of network namespaces.

use std::os::fd::AsFd as _;

use anyhow::{Result, ensure};
use bpf_link_tests::sys::{self, LinkTarget};
use bpf_link_tests::{Hook, Netns, Program, Sandbox};
use bpf_link_typed::inspect::hooks::{
    AttachPoint, AttachedBy, HookInspector, HookPlace, NoteAbout,
};
use bpf_link_typed::{
    AttachType, FileRef, LinkError, NetfilterAttach, NetfilterFamily, NetfilterHook, NetnsAttach,
    NetnsHook,
};
use rustix::fs::{Mode, OFlags};

use super::{by_walk, check, expected, lines};
use crate::fixture::as_nobody;
use crate::fixture::attaching::ensure_error;
use crate::harness::{Need, Test, test};
use crate::snapshot::ITERATOR;

pub(crate) const TESTS: &[Test] = &[
    test!(lookups_in_their_order).alone(),
    test!(a_dissector_without_a_link).alone(),
    test!(netfilter_of_one_namespace)
        .needs(Need::NETFILTER)
        .also_needs(ITERATOR)
        .alone(),
    test!(netfilter_without_a_snapshot)
        .needs(Need::NETFILTER)
        .alone(),
    test!(what_is_not_a_namespace),
    test!(without_privilege),
];

const HERE: &str = "/proc/thread-self/ns/net";

fn lookups_in_their_order(_sandbox: &Sandbox) -> Result<()> {
    let programs = [
        Program::passing(Hook::SK_LOOKUP)?,
        Program::passing(Hook::SK_LOOKUP)?,
    ];
    let [one, two] = &programs;
    let attach = |program| NetnsAttach::to(HERE, NetnsHook::SkLookup).attach(program);
    let (first, second) = (attach(one)?, attach(two)?);
    let wanted = [
        expected("sk_lookup", one, AttachedBy::Link(first.id()?))?,
        expected("sk_lookup", two, AttachedBy::Link(second.id()?))?,
    ];
    for mut inspector in [HookInspector::load()?, by_walk()?] {
        let hooks = inspector.netns(HERE)?;
        // A walk may meet netfilter links of others.
        ensure!(lines(&hooks) == wanted, "{hooks:?}");
        let inode = Netns::current()?.inode()?;
        ensure!(hooks.place == HookPlace::Netns { inode }, "{hooks:?}");
    }
    // Another one has none of them.
    let other = Netns::create()?;
    let hooks = HookInspector::load()?.netns(FileRef::fd(&other))?;
    ensure!(hooks.is_empty(), "{hooks:?}");
    Ok(())
}

fn a_dissector_without_a_link(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::FLOW_DISSECTOR)?;
    let hook = AttachType::FlowDissector.as_raw();
    // The network namespace is the calling thread's.
    let here = LinkTarget::Ifindex(0);
    sys::prog_attach(here, program.as_fd(), hook, 0)?;
    let hooks = HookInspector::load()?.netns(HERE)?;
    let wanted = expected("flow_dissector", &program, AttachedBy::NoLink)?;
    sys::prog_detach(here, program.as_fd(), hook)?;
    ensure!(lines(&hooks) == [wanted], "{hooks:?}");
    Ok(())
}

fn netfilter_of_one_namespace(_sandbox: &Sandbox) -> Result<()> {
    let programs = [
        Program::passing(Hook::NETFILTER)?,
        Program::passing(Hook::NETFILTER)?,
        Program::passing(Hook::NETFILTER)?,
    ];
    let [late, early, elsewhere] = &programs;
    let to =
        |priority| NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::LocalIn, priority);
    let (second, first) = (to(9).attach(late)?, to(-9).attach(early)?);
    let other = Netns::create()?;
    let there = other.as_fd().try_clone_to_owned()?;
    let link = to(-9).in_netns(there).attach(elsewhere)?;

    let mut inspector = HookInspector::load()?;
    let hooks = inspector.netns(HERE)?;
    check(
        &hooks,
        &[
            expected("netfilter", early, AttachedBy::Link(first.id()?))?,
            expected("netfilter", late, AttachedBy::Link(second.id()?))?,
        ],
    )?;
    let point = AttachPoint::Netfilter {
        family: NetfilterFamily::Ipv4,
        hook: NetfilterHook::LocalIn,
        priority: -9,
    };
    ensure!(
        hooks
            .programs
            .first()
            .is_some_and(|first| first.point == point)
    );
    let of_link = AttachedBy::Link(link.id()?);
    let hooks = inspector.netns(FileRef::fd(&other))?;
    check(&hooks, &[expected("netfilter", elsewhere, of_link)?])?;
    // One that is detached is nowhere.
    second.detach()?;
    inspector.refresh();
    let hooks = inspector.netns(HERE)?;
    check(
        &hooks,
        &[expected("netfilter", early, AttachedBy::Link(first.id()?))?],
    )
}

/// Then nobody knows where such links are.
fn netfilter_without_a_snapshot(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::NETFILTER)?;
    let to = NetfilterAttach::to(NetfilterFamily::Ipv6, NetfilterHook::LocalIn, 9);
    let link = to.attach(&program)?;
    let hooks = by_walk()?.netns(HERE)?;
    ensure!(hooks.is_empty(), "{hooks:?}");
    let [note] = hooks.notes.as_slice() else {
        anyhow::bail!("{:?}", hooks.notes);
    };
    let NoteAbout::NetfilterLinks(links) = &note.about else {
        anyhow::bail!("{note:?}");
    };
    ensure!(
        links.contains(&link.id()?) && note.error.is_none(),
        "{note:?}"
    );
    Ok(())
}

fn what_is_not_a_namespace(_sandbox: &Sandbox) -> Result<()> {
    let mut inspector = HookInspector::load()?;
    ensure_error!(
        inspector.netns("/proc/self/comm"),
        bpf_link_typed::Error::Link(LinkError::Command(_)),
        Some(libc::EINVAL),
        &["network namespace /proc/self/comm"]
    );
    let place = rustix::fs::open(HERE, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    ensure_error!(
        inspector.netns(FileRef::fd(&place)),
        bpf_link_typed::Error::Link(LinkError::Command(_)),
        Some(libc::EBADF),
        &["hook flow_dissector"]
    );
    ensure_error!(
        inspector.netns("/proc/missing"),
        bpf_link_typed::Error::File { .. },
        Some(libc::ENOENT),
        &["/proc/missing"]
    );
    Ok(())
}

fn without_privilege(_sandbox: &Sandbox) -> Result<()> {
    let hooks = as_nobody(|| Ok(HookInspector::load()?.netns(HERE)?))?;
    ensure!(hooks.is_empty(), "{hooks:?}");
    let both = NetnsHook::ALL.iter().map(|hook| hook.attach_type());
    for about in [
        NoteAbout::Hooks(both.collect()),
        NoteAbout::Hooks(vec![AttachType::Netfilter]),
    ] {
        let note = hooks.notes.iter().find(|note| note.about == about);
        let error = note.and_then(|note| note.error.as_ref());
        let errno = error.and_then(|error| error.errno());
        ensure!(errno == Some(libc::EPERM), "{about:?}: {:?}", hooks.notes);
    }
    ensure!(hooks.notes.len() == 2, "{:?}", hooks.notes);
    Ok(())
}
