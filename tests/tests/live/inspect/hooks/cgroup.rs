//! The hooks of cgroups.

use std::os::fd::AsFd as _;

use anyhow::{Context as _, Result, ensure};
use bpf_link_sys::{BPF_F_ALLOW_MULTI, BPF_F_ALLOW_OVERRIDE};
use bpf_link_tests::{Cgroup, Hook, Program, Sandbox, sys};
use bpf_link_typed::inspect::hooks::{
    AttachPoint, AttachedBy, AttachedProgram, CgroupOrigin, HookInspector, HookPlace, NoteAbout,
    PlaceHooks,
};
use bpf_link_typed::{AttachType, CgroupAttach, CgroupHook, CgroupLink, Error};

use super::{by_walk, check, expected, lines};
use crate::fixture::as_nobody;
use crate::fixture::attaching::ensure_error;
use crate::harness::{Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(own_programs_and_inherited_ones).alone(),
    test!(what_a_child_overrides).alone(),
    test!(one_program_by_two_links).alone(),
    test!(the_same_program_above).alone(),
    test!(several_hooks).alone(),
    test!(what_is_not_a_cgroup),
    test!(without_privilege),
];

const EGRESS: u32 = AttachType::CgroupInetEgress.as_raw();
const EGRESS_HOOK: &str = "cgroup_inet_egress";

fn egress() -> Result<Program> {
    Program::passing(Hook::CGROUP_EGRESS)
}

fn attach(program: &Program, cgroup: &Cgroup) -> Result<CgroupLink> {
    Ok(CgroupAttach::to(cgroup.path(), CgroupHook::InetEgress).attach(program)?)
}

fn look(cgroup: &Cgroup) -> Result<PlaceHooks> {
    Ok(HookInspector::load()?.cgroup(cgroup.path())?)
}

/// Where the programs come from, and how their hooks are shared.
fn origins(hooks: &PlaceHooks) -> Result<Vec<(CgroupOrigin, Option<u32>)>> {
    let of_program = |program: &AttachedProgram| match &program.point {
        AttachPoint::Cgroup { origin, flags, .. } => {
            Ok((origin.clone(), flags.map(|flags| flags.bits())))
        }
        other => anyhow::bail!("{other:?}"),
    };
    hooks.programs.iter().map(of_program).collect()
}

fn ancestor(cgroup: &Cgroup) -> Result<CgroupOrigin> {
    Ok(CgroupOrigin::Ancestor {
        id: Some(cgroup.id()?),
        path: Some(cgroup.path().to_owned()),
    })
}

fn own_programs_and_inherited_ones(sandbox: &Sandbox) -> Result<()> {
    let parent = sandbox.new_cgroup("parent")?;
    let child = parent.child("child")?;
    let [above, one, two, bare] = [egress()?, egress()?, egress()?, egress()?];
    let of_parent = attach(&above, &parent)?;
    let (first, second) = (attach(&one, &child)?, attach(&two, &child)?);
    sys::prog_attach(child.as_fd(), bare.as_fd(), EGRESS, BPF_F_ALLOW_MULTI)?;

    let wanted = [
        expected(EGRESS_HOOK, &one, AttachedBy::Link(first.id()?))?,
        expected(EGRESS_HOOK, &two, AttachedBy::Link(second.id()?))?,
        expected(EGRESS_HOOK, &bare, AttachedBy::NoLink)?,
        expected(EGRESS_HOOK, &above, AttachedBy::Link(of_parent.id()?))?,
    ];
    for mut inspector in [HookInspector::load()?, by_walk()?] {
        let hooks = inspector.cgroup(child.path())?;
        check(&hooks, &wanted)?;
        let multi = Some(BPF_F_ALLOW_MULTI);
        let own = (CgroupOrigin::Own, multi);
        let from_above = (ancestor(&parent)?, multi);
        ensure!(
            origins(&hooks)? == [own.clone(), own.clone(), own, from_above],
            "{hooks:?}"
        );
        let place = HookPlace::Cgroup {
            id: child.id()?,
            path: child.path().to_owned(),
        };
        ensure!(hooks.place == place, "{hooks:?}");
        // The parent does not have those of its child.
        let hooks = inspector.cgroup(parent.path())?;
        check(&hooks, wanted.get(3..).context("too few")?)?;
        ensure!(
            origins(&hooks)? == [(CgroupOrigin::Own, multi)],
            "{hooks:?}"
        );
    }
    Ok(())
}

/// A hook that is not shared has the nearest program only.
fn what_a_child_overrides(sandbox: &Sandbox) -> Result<()> {
    let parent = sandbox.new_cgroup("parent")?;
    let child = parent.child("child")?;
    let (above, own) = (egress()?, egress()?);
    sys::prog_attach(parent.as_fd(), above.as_fd(), EGRESS, BPF_F_ALLOW_OVERRIDE)?;
    let inherited = look(&child)?;
    check(
        &inherited,
        &[expected(EGRESS_HOOK, &above, AttachedBy::NoLink)?],
    )?;
    let can_override = Some(BPF_F_ALLOW_OVERRIDE);
    ensure!(origins(&inherited)? == [(ancestor(&parent)?, can_override)]);
    sys::prog_attach(child.as_fd(), own.as_fd(), EGRESS, BPF_F_ALLOW_OVERRIDE)?;
    let hooks = look(&child)?;
    check(&hooks, &[expected(EGRESS_HOOK, &own, AttachedBy::NoLink)?])?;
    ensure!(origins(&hooks)? == [(CgroupOrigin::Own, can_override)]);
    Ok(())
}

/// The kernel does not say which of the two is first.
fn one_program_by_two_links(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("twice")?;
    let program = egress()?;
    let links = [attach(&program, &cgroup)?, attach(&program, &cgroup)?];
    let [one, two] = &links;
    let by = AttachedBy::Unknown(vec![one.id()?, two.id()?]);
    let line = expected(EGRESS_HOOK, &program, by)?;
    check(&look(&cgroup)?, &[line.clone(), line])
}

fn the_same_program_above(sandbox: &Sandbox) -> Result<()> {
    let parent = sandbox.new_cgroup("parent")?;
    let child = parent.child("child")?;
    let program = egress()?;
    let (above, own) = (attach(&program, &parent)?, attach(&program, &child)?);
    let hooks = look(&child)?;
    check(
        &hooks,
        &[
            expected(EGRESS_HOOK, &program, AttachedBy::Link(own.id()?))?,
            expected(EGRESS_HOOK, &program, AttachedBy::Link(above.id()?))?,
        ],
    )
}

fn several_hooks(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("several")?;
    let (ops, ingress) = (
        Program::passing(Hook::CGROUP_SOCK_OPS)?,
        Program::passing(Hook::CGROUP_INGRESS)?,
    );
    let to = |hook| CgroupAttach::to(cgroup.path(), hook);
    let of_ops = to(CgroupHook::SockOps).attach(&ops)?;
    let of_ingress = to(CgroupHook::InetIngress).attach(&ingress)?;
    check(
        &look(&cgroup)?,
        &[
            expected(
                "cgroup_inet_ingress",
                &ingress,
                AttachedBy::Link(of_ingress.id()?),
            )?,
            expected("cgroup_sock_ops", &ops, AttachedBy::Link(of_ops.id()?))?,
        ],
    )?;
    // A link that is detached is not there.
    of_ops.detach()?;
    let wanted = expected(
        "cgroup_inet_ingress",
        &ingress,
        AttachedBy::Link(of_ingress.id()?),
    )?;
    check(&look(&cgroup)?, &[wanted])
}

fn what_is_not_a_cgroup(sandbox: &Sandbox) -> Result<()> {
    let mut inspector = HookInspector::load()?;
    ensure_error!(
        inspector.cgroup("/proc"),
        Error::NotACgroup { .. },
        Some(libc::EBADF),
        &["/proc is not a cgroup"]
    );
    let missing = sandbox.directory().join("missing");
    ensure_error!(
        inspector.cgroup(&missing),
        Error::File { .. },
        Some(libc::ENOENT),
        &[&missing.display().to_string()]
    );
    Ok(())
}

/// All hooks are in one note.
fn without_privilege(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("nobody")?;
    let hooks = as_nobody(|| look(&cgroup))?;
    ensure!(lines(&hooks).is_empty(), "{hooks:?}");
    let [note] = hooks.notes.as_slice() else {
        anyhow::bail!("{:?}", hooks.notes);
    };
    let NoteAbout::Hooks(of) = &note.about else {
        anyhow::bail!("{note:?}");
    };
    ensure!(of.len() == CgroupHook::ALL.len(), "{note:?}");
    let errno = note.error.as_ref().and_then(|error| error.errno());
    ensure!(errno == Some(libc::EPERM), "{note:?}");
    Ok(())
}
