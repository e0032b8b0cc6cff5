//! The call that ends with a pinned link, while others do the same or something else to the pin and
//! the link.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{RawLink, Update};
use bpf_link_tests::{Hook, Map, Netns, Program, Sandbox, eventually_holds, links, names};
use bpf_link_typed::{
    Attach as _, CgroupAttach, CgroupHook, Error, Link, NetfilterAttach, NetfilterFamily,
    NetfilterHook, ProgramId, RawTracepointAttach, StructOpsAttach, TcxAttach, TcxHook, XdpAttach,
    XdpLink,
    ensure::{Attached, OldLink, Ours, Outcome, Why},
};
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

use crate::ensure::end::{ensure_nothing_left, ensure_one_link_and_pin, our_links};
use crate::fixture::attaching::{counting, counts, ensure_error};
use crate::fixture::chain::check_refusal;
use crate::fixture::runs;
use crate::fixture::traffic::send_packet;
use crate::harness::role::Player;
use crate::harness::{Need, Role, Test, role, test};

pub(crate) const TESTS: &[Test] = &[
    test!(a_program_for_another_hook),
    test!(by_tag).alone(),
    test!(many_at_once),
    test!(many_at_once_on_a_netfilter_hook).needs(Need::NETFILTER),
    test!(many_at_once_on_a_tracepoint),
    test!(more_than_one_of_ours),
    test!(on_a_device_of_the_same_number).needs(Need::TCX),
    test!(ours_on_a_device_of_the_same_number),
    test!(overtaken),
    test!(overtaken_to_and_fro),
    test!(swapped_now_and_then),
    test!(the_pin_goes_in_between),
    test!(without_the_privilege_to_open_by_id),
    test!(what_is_no_program),
];

/// What an agent is told instead of the path of a cgroup.
const TRACEPOINT: &str = "tracepoint";
const NETFILTER: &str = "netfilter";

pub(crate) const ROLES: &[Role] = &[role!(agent)];

/// Loads a program and, when it is told, makes the call: for a cgroup, or one of the other kinds.
/// Says what came of it.
fn agent(arguments: &[String]) -> Result<()> {
    let [to, pin] = arguments else {
        anyhow::bail!("{arguments:?}");
    };
    let program = Program::passing(match to.as_str() {
        TRACEPOINT => Hook::RAW_TRACEPOINT,
        NETFILTER => Hook::NETFILTER,
        _ => Hook::CGROUP_EGRESS,
    })?;
    role::say("ready")?;
    role::listen()?;
    let outcome = match to.as_str() {
        TRACEPOINT => RawTracepointAttach::to(c"sys_enter")
            .ensure_pinned(pin)
            .run(&program)
            .map(|done| done.outcome),
        NETFILTER => NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::LocalOut, 78)
            .ensure_pinned(pin)
            .run(&program)
            .map(|done| done.outcome),
        cgroup => CgroupAttach::to(Path::new(cgroup), CgroupHook::InetEgress)
            .ensure_pinned(pin)
            .run(&program)
            .map(|done| done.outcome),
    };
    let done = match outcome {
        Ok(outcome) => format!("{outcome}"),
        Err(Error::Overtaken { left, .. }) => format!("overtaken by {left:?}"),
        Err(error) => return Err(error.into()),
    };
    role::say(&done)
}

fn start(cgroup: &Path, pin: &Path) -> Result<Player> {
    let text = |path: &Path| path.to_str().map(ToOwned::to_owned).context("not UTF-8");
    let mut player = role!(agent).start(&[&text(cgroup)?, &text(pin)?])?;
    ensure!(player.hear()? == "ready");
    Ok(player)
}

/// One link and one pin at the end, and nobody has an error.
fn at_once(sandbox: &Sandbox, to: &Path, after_the_first: &str) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    for _ in 0..5 {
        let mut players: Vec<Player> = (0..6).map(|_| start(to, &pin)).collect::<Result<_>>()?;
        for player in &mut players {
            player.tell("start")?;
        }
        let mut created = 0;
        for mut player in players {
            let done = player.hear()?;
            player.finish()?;
            created += usize::from(done == "created");
            ensure!(
                done == "created" || done.starts_with(after_the_first),
                "{done}"
            );
        }
        ensure!(created == 1, "{created}");
        ensure_one_link_and_pin(sandbox, &pin)?;
        Link::from_pinned(&pin)?.detach_and_unpin()?;
        ensure_nothing_left(sandbox)?;
    }
    Ok(())
}

fn many_at_once(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("agents")?;
    at_once(sandbox, cgroup.path(), "updated")
}

fn many_at_once_on_a_tracepoint(sandbox: &Sandbox) -> Result<()> {
    at_once(sandbox, Path::new(TRACEPOINT), "replaced without a gap")
}

fn many_at_once_on_a_netfilter_hook(sandbox: &Sandbox) -> Result<()> {
    at_once(sandbox, Path::new(NETFILTER), "replaced with a gap")
}

/// Has an agent stop before each of its calls, does something then, and gives back what the agent
/// said at the end.
fn beside(
    cgroup: &Path,
    pin: &Path,
    mut at_each_call: impl FnMut() -> Result<()>,
) -> Result<String> {
    let mut traced = start(cgroup, pin)?.trace("start")?;
    while traced.next_call()?.is_some() {
        at_each_call()?;
    }
    traced.finish_with_answer()
}

/// The pinned link of a program, and two programs to swap.
fn pinned(cgroup: &Path, pin: &Path) -> Result<(RawLink, [Program; 2])> {
    let programs = [
        Program::passing(Hook::CGROUP_EGRESS)?,
        Program::passing(Hook::CGROUP_EGRESS)?,
    ];
    let done = CgroupAttach::to(cgroup, CgroupHook::InetEgress)
        .ensure_pinned(pin)
        .run(&programs[0])?;
    Ok((done.link.into(), programs))
}

/// Somebody who does not ask for the lock swaps the program before each call, so that it is never
/// the one that was seen.
fn overtaken(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("agents")?;
    let pin = sandbox.bpffs().join("pin");
    let (mut link, _programs) = pinned(cgroup.path(), &pin)?;
    let mut swapped = Vec::new();
    let said = beside(cgroup.path(), &pin, || {
        let next = Program::passing(Hook::CGROUP_EGRESS)?;
        link.update(Update::program(&next))?;
        swapped.push(next);
        Ok(())
    })?;
    ensure!(
        said == format!("overtaken by Some({:?})", link.id()?),
        "{said}"
    );
    ensure_one_link_and_pin(sandbox, &pin)?;
    link.unpin()?;
    Ok(())
}

/// The same, but between two programs: the one that was expected may be there again when the kernel
/// is asked which is.
fn overtaken_to_and_fro(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("agents")?;
    let pin = sandbox.bpffs().join("pin");
    let (mut link, programs) = pinned(cgroup.path(), &pin)?;
    let mut swaps = programs.iter().cycle().skip(1);
    // The last of many attempts has to come to an end.
    let mut calls = 0;
    let said = beside(cgroup.path(), &pin, || {
        calls += 1;
        if calls < 100 {
            let next = swaps.next().context("it never ends")?;
            link.update(Update::program(next))?;
        }
        Ok(())
    })?;
    ensure!(said.starts_with("updated"), "{said}");
    ensure_one_link_and_pin(sandbox, &pin)?;
    link.unpin()?;
    Ok(())
}

/// Somebody swaps the program at one moment, whichever it is: the call sees to it.
fn swapped_now_and_then(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("agents")?;
    let pin = sandbox.bpffs().join("pin");
    for moment in (0..60).step_by(3) {
        let (link, programs) = pinned(cgroup.path(), &pin)?;
        let mut number = 0;
        let said = beside(cgroup.path(), &pin, || {
            if number == moment {
                link.update(Update::program(&programs[1]))?;
            }
            number += 1;
            Ok(())
        })?;
        ensure!(said.starts_with("updated"), "{said}");
        ensure_one_link_and_pin(sandbox, &pin)?;
        Link::from_pinned(&pin)?.detach_and_unpin()?;
        drop(link);
        ensure_nothing_left(sandbox)?;
    }
    Ok(())
}

/// Somebody removes the pin at one moment, or puts a map there.
fn the_pin_goes_in_between(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("agents")?;
    let pin = sandbox.bpffs().join("pin");
    for moment in (0..60).step_by(3) {
        let (link, _programs) = pinned(cgroup.path(), &pin)?;
        drop(link);
        let mut number = 0;
        let said = beside(cgroup.path(), &pin, || {
            if number == moment {
                std::fs::remove_file(&pin)?;
            }
            number += 1;
            Ok(())
        })?;
        ensure!(
            said.starts_with("updated") || said == "created",
            "{moment}: {said}"
        );
        if pin.exists() {
            ensure_one_link_and_pin(sandbox, &pin)?;
            Link::from_pinned(&pin)?.detach_and_unpin()?;
        }
        ensure_nothing_left(sandbox)?;
    }
    Ok(())
}

/// The info of a link on `lo` is the same in every network namespace.
fn on_a_device_of_the_same_number(sandbox: &Sandbox) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    let (program, counter) = counting(Hook::XDP)?;
    let to = XdpAttach::to("lo").ensure_pinned(&pin);
    let elsewhere = Netns::create()?;
    // It stays attached there, as long as it is held.
    elsewhere.inside(|| Ok(to.run(&program)?))?;
    ensure!(!runs(&counter)?);
    let done = to.run(&program)?;
    let moved = |outcome: Outcome| {
        matches!(
            outcome,
            Outcome::Replaced {
                why: Why::OtherHook,
                gap: false,
                old_link: OldLink::Gone,
                ..
            }
        )
    };
    ensure!(moved(done.outcome), "{done:?}");
    ensure!(runs(&counter)?);
    ensure_one_link_and_pin(sandbox, &pin)?;
    done.link.detach_and_unpin()?;

    let (program, counter) = counting(Hook::TCX_INGRESS)?;
    let to = TcxAttach::to("lo", TcxHook::Ingress).ensure_pinned(&pin);
    elsewhere.inside(|| Ok(to.run(&program)?))?;
    let done = to.run(&program)?;
    ensure!(moved(done.outcome), "{done:?}");
    ensure!(counts(&counter, send_packet)?);
    done.link.detach_and_unpin()?;
    ensure_nothing_left(sandbox)
}

/// Where nothing is on the hook, nothing of ours is: what looks like it is in another network
/// namespace, and stays there.
fn ours_on_a_device_of_the_same_number(sandbox: &Sandbox) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    let program = Program::passing(Hook::XDP)?;
    let to = XdpAttach::to("lo");
    let elsewhere = Netns::create()?;
    let held = elsewhere.inside(|| Ok(to.attach(&program)?))?;
    for to in [
        to.clone().ensure_pinned(&pin).take_over(ours()?),
        to.clone().ensure_pinned(&pin).report(ours()?),
    ] {
        let done = to.run(&program)?;
        ensure!(done.outcome == Outcome::Created && done.taken_over.is_none());
        ensure!(held.info()?.is_defunct() == Some(false));
        done.link.detach_and_unpin()?;
        eventually_holds("one link", || Ok(our_links()?.len() == 1))?;
    }
    drop(held);
    ensure_nothing_left(sandbox)
}

/// The kernel would take it in an update.
fn a_program_for_another_hook(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("agents")?;
    let pin = sandbox.bpffs().join("pin");
    let create = Program::passing(Hook::CGROUP_SOCK_CREATE)?;
    let bind = Program::passing(Hook::CGROUP_POST_BIND4)?;
    let to = CgroupAttach::to(cgroup.path(), CgroupHook::InetSockCreate).ensure_pinned(&pin);
    let done = to.run(&create)?;
    let hook = format!(
        "hook cgroup_inet_sock_create of cgroup {}",
        cgroup.path().display()
    );
    let program = format!("program {}", bind.id()?);
    let refused = check_refusal(to.run(&bind), &[&hook, &program])?;
    ensure!(
        matches!(refused, Error::AttachTypeMismatch { .. }),
        "{refused:?}"
    );
    ensure!(done.link.info()?.program_id.map(u32::from) == Some(create.id()?));
    ensure_one_link_and_pin(sandbox, &pin)?;
    done.link.detach_and_unpin()?;
    Ok(())
}

fn what_is_no_program(sandbox: &Sandbox) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    let map = Map::array(4, 1)?;
    let program = Program::passing(Hook::XDP)?;
    ensure_error!(
        XdpAttach::to("lo").ensure_pinned(&pin).run(&map),
        Error::Link(bpf_link::Error::NotAProgram(_)),
        None,
        &[&format!("map {}", map.id()?)]
    );
    ensure_error!(
        StructOpsAttach::of(&program).ensure_pinned(&pin).run(),
        Error::Link(bpf_link::Error::NotAMap(_)),
        None,
        &[&format!("program {}", program.id()?)]
    );
    ensure_nothing_left(sandbox)
}

fn ours() -> Result<Ours> {
    Ok(Ours::by_name(std::ffi::CString::new(names::object_name(
        "prog",
    ))?))
}

fn more_than_one_of_ours(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("agents")?;
    let pin = sandbox.bpffs().join("pin");
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    let to = CgroupAttach::to(cgroup.path(), CgroupHook::InetEgress);
    let orphans = [to.attach(&program)?, to.attach(&program)?];
    let ids = [orphans[0].id()?, orphans[1].id()?];
    let refused = to
        .clone()
        .ensure_pinned(&pin)
        .take_over(ours()?)
        .run(&program);
    let named = format!("{}, {}", ids[0], ids[1]);
    let refused = check_refusal(refused, &[&pin.to_string_lossy(), &named])?;
    let Error::OursFound { links, .. } = &refused else {
        anyhow::bail!("{refused:?}");
    };
    ensure!(links.as_slice() == ids && our_links()?.len() == 2);
    ensure!(sandbox.pinned()?.is_empty());
    // One that the program is not ours of, and one on another hook, are not ours.
    let other = sandbox.new_cgroup("other")?;
    let elsewhere = CgroupAttach::to(other.path(), CgroupHook::InetEgress).attach(&program)?;
    let [kept, dropped] = orphans;
    drop(dropped);
    // Another process that lists links may have it open for a moment.
    eventually_holds("the other has gone", || Ok(!links::exists(ids[1].get())?))?;
    let done = to.ensure_pinned(&pin).take_over(ours()?).run(&program)?;
    ensure!(done.taken_over == Some(kept.id()?) && done.outcome == Outcome::AlreadyRunning);
    drop((kept, elsewhere));
    ensure_one_link_and_pin(sandbox, &pin)?;
    done.link.detach_and_unpin()?;
    Ok(())
}

/// The same instructions have the same tag, whatever the name.
fn by_tag(sandbox: &Sandbox) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    // The tag is of the code, which nobody else has: an interface's number says nothing about its
    // network namespace.
    let unlike_others = i32::try_from(std::process::id())?;
    let (old, new) = (
        Program::returning(Hook::XDP, unlike_others)?,
        Program::returning(Hook::XDP, -unlike_others)?,
    );
    let tag = |program| bpf_link::ProgramInfo::of(program).map(|info| info.tag.0);
    let to = XdpAttach::to("lo");
    let orphan = to.attach(&old)?;
    let to = to.ensure_pinned(&pin);
    let refused = to.clone().take_over(Ours::by_tag(tag(&new)?)).run(&new);
    ensure!(
        matches!(refused, Err(Error::HookTaken { .. })),
        "{refused:?}"
    );
    let done = to.take_over(Ours::by_tag(tag(&old)?)).run(&new)?;
    let previous = ProgramId::new(old.id()?).context("it has an id")?;
    ensure!(done.taken_over == Some(orphan.id()?));
    ensure!(
        done.outcome
            == Outcome::Updated {
                previous: Attached::Program(previous)
            }
    );
    drop(orphan);
    ensure_one_link_and_pin(sandbox, &pin)?;
    XdpLink::from_pinned(&pin)?.detach_and_unpin()?;
    Ok(())
}

/// Does something without `CAP_SYS_ADMIN`.
pub(crate) fn without_sys_admin<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let unprivileged = || {
        let now = capabilities(None)?;
        set_capabilities(
            None,
            CapabilitySets {
                effective: now.effective - CapabilitySet::SYS_ADMIN,
                permitted: now.permitted - CapabilitySet::SYS_ADMIN,
                inheritable: now.inheritable,
            },
        )?;
        work()
    };
    std::thread::scope(|scope| scope.spawn(unprivileged).join())
        .map_err(|_| anyhow::anyhow!("it panicked"))?
}

/// An agent may have no more than it takes to attach: then it goes by its lock, and says what it
/// cannot know.
fn without_the_privilege_to_open_by_id(sandbox: &Sandbox) -> Result<()> {
    let pin: PathBuf = sandbox.bpffs().join("pin");
    let (old, new) = (Program::passing(Hook::XDP)?, Program::passing(Hook::XDP)?);
    let entry = || Program::passing(Hook::RAW_TRACEPOINT);
    let (first, second) = (entry()?, entry()?);
    without_sys_admin(|| {
        let to = XdpAttach::to("lo").ensure_pinned(&pin);
        ensure!(to.run(&old)?.outcome == Outcome::Created);
        let done = to.run(&new)?;
        ensure!(matches!(done.outcome, Outcome::Updated { .. }), "{done:?}");
        done.link.detach_and_unpin()?;
        let to = RawTracepointAttach::to(c"sys_enter")
            .ensure_pinned(&pin)
            .wait_for_old(Duration::from_secs(1));
        let before = to.run(&first)?.link.id()?;
        let done = to.run(&second)?;
        ensure!(
            matches!(done.outcome, Outcome::Replaced { old_link: OldLink::Unknown(id), .. } if id == before),
            "{done:?}"
        );
        done.link.detach_and_unpin()?;
        // To look for what is ours takes it, and nothing is attached unseen.
        let refused = to.take_over(ours()?).run(&second);
        let refused = check_refusal(refused, &[&pin.to_string_lossy()])?;
        ensure!(
            matches!(
                refused,
                Error::SearchDenied {
                    source: bpf_link::Error::PermissionDenied(_),
                    ..
                }
            ),
            "{refused:?}"
        );
        Ok(())
    })?;
    ensure_nothing_left(sandbox)
}
