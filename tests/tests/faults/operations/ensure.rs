//! The call that ends with a program attached here and pinned there.

use std::ffi::CString;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use bpf_link::RawLink;
use bpf_link_tests::names::object_name;
use bpf_link_tests::{Hook, Map, Program, links, pins};
use bpf_link_typed::{
    Attach as _, AttachProgram, Ensure, Ensured, Link, NetfilterAttach, NetfilterFamily,
    NetfilterHook, NetnsAttach, NetnsHook, NetnsLink, XdpAttach,
    ensure::{Ours, Outcome, Why},
};

use super::{Operation, operations};
use crate::run::{
    Run, dissecting, dissector, ensure_program, is_dissected, is_lo_taken, xdp_program,
};

pub(super) const OPERATIONS: &[Operation] = operations![
    ensure_created,
    ensure_kept,
    ensure_updated,
    ensure_replaced,
    ensure_replaced_with_a_gap,
    ensure_in_the_place_of_another,
];

/// The same on a device that is known by its name, which takes more calls. In the long form only,
/// as programs on devices wait for each other on the whole machine. If the device is said to be
/// busy, they look at all links for the one that keeps it so.
pub(super) const BY_NAME: &[Operation] = &[
    Operation::new("ensure_kept_by_name", kept::<Device>).walking(),
    Operation::new("ensure_updated_by_name", updated::<Device>).walking(),
    Operation::new("ensure_replaced_by_name", replaced::<Device>).walking(),
    Operation::new(
        "ensure_in_the_place_of_another_by_name",
        in_the_place_of_another::<Device>,
    )
    .walking(),
    Operation::new(
        "ensure_where_another_is_by_name",
        where_another_is::<Device>,
    )
    .walking(),
];

pub(super) const WALKS: &[Operation] = &[
    Operation::new("ensure_taken_over", ensure_taken_over).walking(),
    Operation::new("ensure_where_another_is", ensure_where_another_is).walking(),
];

/// A hook that takes one program.
trait Place {
    type To: AttachProgram<Link: Into<Link> + Send> + Sync;

    fn hook() -> Self::To;
    fn program() -> Result<Program>;
    fn is_taken() -> Result<bool>;
}

/// The hook of most of these: nobody waits for the kernel when a program comes or goes there.
struct Dissector;

impl Place for Dissector {
    type To = NetnsAttach<'static>;

    fn hook() -> Self::To {
        NetnsAttach::to("/proc/thread-self/ns/net", NetnsHook::FlowDissector)
    }

    fn program() -> Result<Program> {
        dissector()
    }

    fn is_taken() -> Result<bool> {
        is_dissected()
    }
}

/// `lo`, by its name.
struct Device;

impl Place for Device {
    type To = XdpAttach;

    fn hook() -> Self::To {
        XdpAttach::to("lo")
    }

    fn program() -> Result<Program> {
        xdp_program()
    }

    fn is_taken() -> Result<bool> {
        is_lo_taken()
    }
}

fn any(link: impl Into<Link>) -> Link {
    link.into()
}

/// Whatever has become of the attempt, once more: this program is on the hook, by the link that is
/// pinned.
fn finish<P: Place>(run: &Run<'_>, to: &Ensure<P::To>, program: &Program) -> Result<Outcome> {
    let Ensured { link, outcome, .. } = to.run(program)?;
    let link = any(link);
    check(run, link.as_raw(), program)?;
    ensure!(P::is_taken()?);
    link.detach_and_unpin()?;
    ensure!(!P::is_taken()?);
    Ok(outcome)
}

/// The link is pinned, where it should be and nowhere else, and runs this program.
fn check(run: &Run<'_>, link: &RawLink, program: &Program) -> Result<()> {
    run.ensure_pinned(link, &["pin"])?;
    ensure_program(link, program)
}

/// A caller that hears at the end that there is no pin looks again, and finds all done.
fn is_second_look(outcome: Outcome) -> bool {
    outcome == Outcome::AlreadyRunning
}

/// The id of the program that runs on the link that is pinned.
fn runs(path: &Path) -> Result<u32> {
    Ok(links::LinkInfo::of(&pins::open(path)?)?.program_id())
}

fn ensure_created(run: &mut Run<'_>) -> Result<()> {
    let (path, program) = (run.path("pin"), xdp_program()?);
    let to = XdpAttach::to("lo").ensure_pinned(&path);
    let done = run.attempt(|| to.run(&program))?;
    if let Some(Ensured { outcome, link, .. }) = &done {
        ensure!(*outcome == Outcome::Created || is_second_look(*outcome));
        check(run, link.as_raw(), &program)?;
    }
    drop(done);
    // Attached without a pin, or pinned without being attached, is what it never leaves.
    ensure!(is_lo_taken()? == path.exists());
    let done = to.run(&program)?;
    check(run, done.link.as_raw(), &program)?;
    done.link.detach_and_unpin()?;
    ensure!(!is_lo_taken()?);
    Ok(())
}

fn ensure_kept(run: &mut Run<'_>) -> Result<()> {
    kept::<Dissector>(run)
}

fn kept<P: Place>(run: &mut Run<'_>) -> Result<()> {
    let (path, program) = (run.path("pin"), P::program()?);
    let to = P::hook().ensure_pinned(&path);
    to.run(&program)?;
    let done = run.attempt(|| to.run(&program))?;
    ensure!(done.is_none_or(|done| done.outcome == Outcome::AlreadyRunning));
    ensure!(runs(&path)? == program.id()?);
    ensure!(finish::<P>(run, &to, &program)? == Outcome::AlreadyRunning);
    Ok(())
}

fn ensure_updated(run: &mut Run<'_>) -> Result<()> {
    updated::<Dissector>(run)
}

fn updated<P: Place>(run: &mut Run<'_>) -> Result<()> {
    let (path, old, new) = (run.path("pin"), P::program()?, P::program()?);
    let to = P::hook().ensure_pinned(&path);
    to.run(&old)?;
    match run.attempt(|| to.run(&new))? {
        Some(Ensured { link, outcome, .. }) => {
            let is_updated = matches!(outcome, Outcome::Updated { .. });
            ensure!(is_updated || is_second_look(outcome), "{outcome:?}");
            check(run, any(link).as_raw(), &new)?;
        }
        None => ensure!([old.id()?, new.id()?].contains(&runs(&path)?)),
    }
    ensure!(P::is_taken()?);
    finish::<P>(run, &to, &new)?;
    Ok(())
}

fn ensure_replaced(run: &mut Run<'_>) -> Result<()> {
    replaced::<Dissector>(run)
}

/// The pinned link does nothing any more, so that there is no gap.
fn replaced<P: Place>(run: &mut Run<'_>) -> Result<()> {
    let (path, old, new) = (run.path("pin"), P::program()?, P::program()?);
    let to = P::hook().ensure_pinned(&path);
    any(to.run(&old)?.link).detach()?;
    if let Some(Ensured { link, outcome, .. }) = run.attempt(|| to.run(&new))? {
        let why = Why::HookGone;
        let is_replaced = matches!(outcome, Outcome::Replaced { why: found, .. } if found == why);
        ensure!(is_replaced || is_second_look(outcome), "{outcome:?}");
        check(run, any(link).as_raw(), &new)?;
    }
    ensure!([old.id()?, new.id()?].contains(&runs(&path)?));
    finish::<P>(run, &to, &new)?;
    Ok(())
}

/// The hook takes one program, and the link is of a kind that is not updated: the old one goes
/// first.
fn ensure_replaced_with_a_gap(run: &mut Run<'_>) -> Result<()> {
    let path = run.path("pin");
    let program = || Program::passing(Hook::NETFILTER);
    let (old, new) = (program()?, program()?);
    let to = NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::LocalIn, 5);
    let to = to.ensure_pinned(&path);
    to.run(&old)?;
    let done = run.attempt(|| to.run(&new))?;
    match &done {
        Some(done) => {
            // A caller that hears that the pin has gone, once the old one is off, begins again with
            // a hook that is free.
            let is_replaced = matches!(done.outcome, Outcome::Replaced { .. });
            ensure!(is_replaced || is_second_look(done.outcome), "{done:?}");
            check(run, done.link.as_raw(), &new)?;
        }
        // A caller that is refused has put the old one back.
        None => ensure!([old.id()?, new.id()?].contains(&runs(&path)?)),
    }
    drop(done);
    let done = to.run(&new)?;
    check(run, done.link.as_raw(), &new)?;
    done.link.detach_and_unpin()?;
    Ok(())
}

fn ensure_in_the_place_of_another(run: &mut Run<'_>) -> Result<()> {
    in_the_place_of_another::<Dissector>(run)
}

fn in_the_place_of_another<P: Place>(run: &mut Run<'_>) -> Result<()> {
    let (path, program) = (run.path("pin"), P::program()?);
    pins::pin(&program, &path)?;
    let to = P::hook().ensure_pinned(&path).replace_other();
    if let Some(done) = run.attempt(|| to.run(&program))? {
        check(run, any(done.link).as_raw(), &program)?;
    }
    ensure!(P::is_taken()? == RawLink::from_pinned(&path).is_ok());
    finish::<P>(run, &to, &program)?;
    Ok(())
}

fn ensure_where_another_is(run: &mut Run<'_>) -> Result<()> {
    where_another_is::<Dissector>(run)
}

fn where_another_is<P: Place>(run: &mut Run<'_>) -> Result<()> {
    let (path, program) = (run.path("pin"), P::program()?);
    let map = Map::array(4, 1)?;
    pins::pin(&map, &path)?;
    let to = P::hook().ensure_pinned(&path);
    run.attempt_in_vain(None, || to.run(&program))?;
    ensure!(!P::is_taken()? && run.sandbox.pinned()? == [path.as_path()]);
    std::fs::remove_file(&path)?;
    finish::<P>(run, &to, &program)?;
    Ok(())
}

/// A link of ours that has lost its pin.
fn ensure_taken_over(run: &mut Run<'_>) -> Result<()> {
    let (path, old, new) = (run.path("pin"), dissector()?, dissector()?);
    let orphan: NetnsLink = dissecting(&old)?.try_into().ok().context("it is one")?;
    let ours = Ours::by_name(CString::new(object_name("prog"))?);
    let to = Dissector::hook().ensure_pinned(&path).take_over(ours);
    let done = run.attempt(|| to.run(&new))?;
    if let Some(done) = &done {
        ensure!(done.taken_over == Some(orphan.id()?), "{done:?}");
        check(run, done.link.as_raw(), &new)?;
    }
    drop(done);
    ensure!(is_dissected()?);
    finish::<Dissector>(run, &to, &new)?;
    Ok(())
}
