//! The call that ends with a program attached here and pinned there: what holds for every kind,
//! shown with XDP.

pub(crate) mod end;
mod gaps;
mod just_freed;
mod kept_to;
mod killed;
mod looked_up;
mod modes;
mod namespaces;
mod old_links;
mod other_users;
pub(crate) mod others;
pub(crate) mod places;
pub(crate) mod planned;
mod positions;
mod stopping;
pub(crate) mod suite;
mod under_load;
mod unreported;

use std::os::unix::fs::PermissionsExt as _;

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::{
    CounterMap, Device, DeviceKind, Hook, Map, Program, Sandbox, eventually_holds, pins,
};
use bpf_link_typed::{
    Attach as _, CgroupAttach, CgroupHook, Error, LinkKind, ProgramId, XdpAttach, XdpLink,
    ensure::{Attached, OldLink, Outcome, Why},
};

use crate::ensure::end::{ensure_nothing_left, ensure_one_link_and_pin, our_links};
use crate::fixture::attaching::counting;
use crate::fixture::chain::check_refusal;
use crate::fixture::runs;
use crate::harness::Listed::{self, Roles, Tests};
use crate::harness::{Need, Test, test};

/// What this file and those of its folder list.
pub(crate) const ALL: &[Listed] = &[
    Tests(TESTS),
    Tests(gaps::TESTS),
    Roles(gaps::ROLES),
    Tests(just_freed::TESTS),
    Tests(kept_to::TESTS),
    Tests(killed::TESTS),
    Roles(killed::ROLES),
    Tests(looked_up::TESTS),
    Tests(modes::TESTS),
    Tests(namespaces::TESTS),
    Roles(namespaces::ROLES),
    Tests(old_links::TESTS),
    Tests(other_users::TESTS),
    Roles(other_users::ROLES),
    Tests(others::TESTS),
    Roles(others::ROLES),
    Tests(planned::TESTS),
    Tests(positions::TESTS),
    Tests(stopping::TESTS),
    Tests(under_load::TESTS),
    Roles(under_load::ROLES),
    Tests(unreported::TESTS),
];

const TESTS: &[Test] = &[
    test!(created_updated_and_kept),
    test!(a_directory_in_the_way),
    test!(a_name_that_is_none),
    test!(no_directory),
    test!(not_on_a_bpffs),
    test!(something_else_is_pinned),
    test!(the_cgroup_is_made_anew),
    test!(the_device_is_made_anew).needs(&[Need::Device(DeviceKind::Veth)]),
];

pub(crate) fn id_of(program: &Program) -> Result<ProgramId> {
    ProgramId::new(program.id()?).context("it has an id")
}

fn created_updated_and_kept(sandbox: &Sandbox) -> Result<()> {
    let path = sandbox.bpffs().join("pin");
    let to = XdpAttach::to("lo").ensure_pinned(&path);
    let ((first, first_counter), (second, second_counter)) =
        (counting(Hook::XDP)?, counting(Hook::XDP)?);

    let created = to.run(&first)?;
    ensure!(created.outcome == Outcome::Created, "{created:?}");
    ensure!(created.link.pin_path() == Some(path.as_path()));
    ensure!(created.taken_over.is_none() && created.left_over.is_none());
    let id = created.link.id()?;
    drop(created);
    ensure!(runs(&first_counter)?);

    let kept = to.run(&first)?;
    ensure!(kept.outcome == Outcome::AlreadyRunning && kept.link.id()? == id);
    drop(kept);

    let updated = to.run(&second)?;
    let previous = Attached::Program(id_of(&first)?);
    ensure!(
        updated.outcome == Outcome::Updated { previous },
        "{updated:?}"
    );
    ensure!(updated.link.id()? == id);
    ensure!(runs(&second_counter)? && !runs(&first_counter)?);
    ensure!(ensure_one_link_and_pin(sandbox, &path)? == id);
    updated.link.detach_and_unpin()?;
    ensure_nothing_left(sandbox)
}

/// Nothing is attached before it is known that it can be pinned.
fn not_on_a_bpffs(sandbox: &Sandbox) -> Result<()> {
    let counter = CounterMap::new()?;
    let program = Program::counting(Hook::XDP, &counter)?;
    for path in ["pin", "missing/pin"] {
        let path = sandbox.directory().join(path);
        let to = XdpAttach::to("lo")
            .ensure_pinned(&path)
            .create_parents(0o700);
        let refused = to.run(&program);
        ensure!(
            matches!(
                refused,
                Err(Error::Link(bpf_link::Error::NotOnBpffs { .. }))
            ),
            "{refused:?}"
        );
        ensure!(!runs(&counter)? && !path.exists());
    }
    ensure!(!sandbox.directory().join("missing").exists());
    Ok(())
}

fn a_name_that_is_none(sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    let dot = sandbox.bpffs().join("a.dot");
    let refused = XdpAttach::to("lo").ensure_pinned(&dot).run(&program);
    let refused = check_refusal(refused, &[&dot.to_string_lossy()])?;
    ensure!(
        matches!(refused, Error::Link(bpf_link::Error::PinName { .. })),
        "{refused:?}"
    );
    ensure!(std::error::Error::source(&refused).is_none());
    let refused = XdpAttach::to("lo").ensure_pinned("/").run(&program);
    ensure!(
        matches!(refused, Err(Error::Link(bpf_link::Error::PathNotFound(_)))),
        "{refused:?}"
    );
    ensure!(our_links()?.is_empty());
    Ok(())
}

fn no_directory(sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    let parent = sandbox.bpffs().join("agent");
    let path = parent.join("eth0/ingress");
    let to = XdpAttach::to("lo").ensure_pinned(&path);
    let refused = to.run(&program);
    ensure!(
        matches!(refused, Err(Error::Link(bpf_link::Error::PathNotFound(_)))),
        "{refused:?}"
    );
    ensure!(our_links()?.is_empty() && !parent.exists());

    let to = to.create_parents(0o750);
    let created = to.run(&program)?;
    for directory in [parent.as_path(), &parent.join("eth0")] {
        let mode = std::fs::metadata(directory)?.permissions().mode();
        ensure!(mode & 0o7777 == 0o750, "{mode:o}");
    }
    // And if they are there already.
    ensure!(to.run(&program)?.outcome == Outcome::AlreadyRunning);
    created.link.detach_and_unpin()?;
    // A directory's name has no dot either.
    let refused = XdpAttach::to("lo")
        .ensure_pinned(parent.join("eth0.1/ingress"))
        .create_parents(0o750)
        .run(&program);
    ensure!(
        matches!(refused, Err(Error::Link(bpf_link::Error::PinName { .. }))),
        "{refused:?}"
    );
    ensure_nothing_left(sandbox)
}

/// A map, a program, a symbolic link, and a link of another kind.
fn something_else_is_pinned(sandbox: &Sandbox) -> Result<()> {
    type Make<'a> = &'a dyn Fn() -> Result<()>;
    let path = sandbox.bpffs().join("pin");
    let program = Program::passing(Hook::XDP)?;
    let cgroup = sandbox.new_cgroup("other")?;
    let other = Program::passing(Hook::CGROUP_EGRESS)?;
    let map = Map::array(4, 1)?;
    let elsewhere = sandbox.bpffs().join("elsewhere");
    let somewhere = XdpAttach::to("lo").ensure_pinned(&elsewhere);
    let to = XdpAttach::to("lo").ensure_pinned(&path);
    let cases: [(Make<'_>, Option<LinkKind>); 4] = [
        (&|| pins::pin(&map, &path), None),
        (&|| pins::pin(&other, &path), None),
        (&|| Ok(std::os::unix::fs::symlink(&elsewhere, &path)?), None),
        (
            &|| {
                let mut link =
                    CgroupAttach::to(cgroup.path(), CgroupHook::InetEgress).attach(&other)?;
                Ok(link.pin(&path)?)
            },
            Some(LinkKind::Cgroup),
        ),
    ];
    for (make, kind) in cases {
        make()?;
        let before = our_links()?;
        let refused = to.run(&program);
        let Err(Error::PinTaken { path: at, found }) = refused else {
            anyhow::bail!("{refused:?}");
        };
        ensure!(at == path && found == kind);
        ensure!(our_links()? == before && path.symlink_metadata().is_ok());
        let done = to.clone().replace_other().run(&program)?;
        ensure!(
            matches!(
                done.outcome,
                Outcome::Replaced {
                    why: Why::NotSuchALink,
                    gap: false,
                    previous,
                    ..
                } if previous.is_some() == kind.is_some()
            ),
            "{done:?}"
        );
        ensure_one_link_and_pin(sandbox, &path)?;
        done.link.detach_and_unpin()?;
        ensure_nothing_left(sandbox)?;
    }
    // Where a symbolic link leads to, nothing was opened nor changed.
    somewhere.run(&program)?.link.detach_and_unpin()?;
    Ok(())
}

const HOOK_GONE: fn(&Outcome) -> bool = |outcome| {
    matches!(
        outcome,
        Outcome::Replaced {
            why: Why::HookGone,
            gap: false,
            old_link: OldLink::Gone,
            ..
        }
    )
};

/// Under the same name, as when a machine's interfaces are set up again.
fn the_device_is_made_anew(sandbox: &Sandbox) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    let program = Program::passing(Hook::XDP)?;
    let device = Device::create(DeviceKind::Veth, "device")?;
    let to = XdpAttach::to("device").ensure_pinned(&pin);
    let id = to.run(&program)?.link.id()?;
    device.delete()?;
    // As long as there is none, it is as it was.
    let refused = to.run(&program);
    ensure!(
        matches!(refused, Err(Error::NoSuchInterface { .. })),
        "{refused:?}"
    );
    ensure!(ensure_one_link_and_pin(sandbox, &pin)? == id);
    let device = Device::create(DeviceKind::Veth, "device")?;
    let done = to.run(&program)?;
    ensure!(HOOK_GONE(&done.outcome), "{done:?}");
    ensure!(done.link.info()?.ifindex == Some(device.index()));
    ensure_one_link_and_pin(sandbox, &pin)?;
    done.link.detach_and_unpin()?;
    ensure_nothing_left(sandbox)
}

fn the_cgroup_is_made_anew(sandbox: &Sandbox) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    let cgroup = sandbox.new_cgroup("anew")?;
    let path = cgroup.path().to_owned();
    let to = CgroupAttach::to(path.as_path(), CgroupHook::InetEgress).ensure_pinned(&pin);
    let before = to.run(&program)?.link;
    cgroup.remove()?;
    eventually_holds("the kernel has noticed", || {
        Ok(before.info()?.is_defunct() == Some(true))
    })?;
    let refused = to.run(&program);
    ensure!(matches!(refused, Err(Error::File { .. })), "{refused:?}");
    ensure!(ensure_one_link_and_pin(sandbox, &pin)? == before.id()?);
    drop(before);
    let _cgroup = sandbox.new_cgroup("anew")?;
    let done = to.run(&program)?;
    ensure!(HOOK_GONE(&done.outcome), "{done:?}");
    ensure_one_link_and_pin(sandbox, &pin)?;
    done.link.detach_and_unpin()?;
    ensure_nothing_left(sandbox)
}

fn a_directory_in_the_way(sandbox: &Sandbox) -> Result<()> {
    let path = sandbox.bpffs().join("pin");
    std::fs::create_dir(&path)?;
    let (program, counter) = counting(Hook::XDP)?;
    let to = XdpAttach::to("lo").ensure_pinned(&path);
    let refused = to.run(&program);
    ensure!(
        matches!(refused, Err(Error::PinTaken { found: None, .. })),
        "{refused:?}"
    );
    let refused = to.replace_other().run(&program);
    let errno = refused.as_ref().err().and_then(Error::errno);
    ensure!(errno == Some(libc::EISDIR), "{refused:?}");
    // At once, though the kernel may take its time over the link.
    ensure!(!runs(&counter)?);
    ensure_nothing_left(sandbox)?;
    XdpLink::from_pinned(&path).expect_err("it is a directory");
    Ok(())
}
