//! Pins that are made, moved and removed.

use std::fs::File;

use anyhow::{Result, ensure};
use bpf_link::{PinLock, RawLink};
use bpf_link_tests::pins;

use super::{Operation, operations};
use crate::run::{Run, dissecting, dissector, is_dissected};

pub(super) const OPERATIONS: &[Operation] = operations![
    pin,
    pin_at,
    pin_where_something_is,
    pin_where_no_bpffs_is,
    pin_with_a_dot,
    move_a_pin,
    move_a_pin_that_has_gone,
    move_a_pin_that_is_another,
    pin_where_it_is,
    pin_over_another,
    pin_over_another_by_a_move,
    lock_the_directory,
    unpin,
];

fn pin(run: &mut Run<'_>) -> Result<()> {
    let mut link = dissecting(&dissector()?)?;
    let path = run.path("pin");
    let done = run.attempt(|| link.pin(&path))?;
    check(run, &link, done.map(|()| "pin"))?;
    link.pin(&path)?;
    check(run, &link, Some("pin"))?;
    link.unpin()?;
    Ok(())
}

/// Fails unless the link is pinned by this name and no other, and says so.
fn check(run: &Run<'_>, link: &RawLink, name: Option<&str>) -> Result<()> {
    run.ensure_pinned(link, name.as_slice())?;
    let expected = name.map(|name| run.path(name));
    ensure!(link.pin_path() == expected.as_deref());
    ensure!(is_dissected()?);
    Ok(())
}

fn pin_at(run: &mut Run<'_>) -> Result<()> {
    let mut link = dissecting(&dissector()?)?;
    let directory = File::open(run.sandbox.bpffs())?;
    let done = run.attempt(|| link.pin_at(&directory, "pin"))?;
    run.ensure_pinned(&link, done.map(|()| "pin").as_slice())?;
    ensure!(link.pin_path().is_some() == done.is_some());
    link.pin_at(&directory, "pin")?;
    run.ensure_pinned(&link, &["pin"])?;
    link.unpin()?;
    Ok(())
}

fn pin_where_something_is(run: &mut Run<'_>) -> Result<()> {
    let program = dissector()?;
    let mut link = dissecting(&program)?;
    let (path, free) = (run.path("taken"), run.path("free"));
    pins::pin(&program, &path)?;
    run.attempt_in_vain(Some(libc::EEXIST), || link.pin(&path))?;
    ensure!(run.sandbox.pinned()? == [path.as_path()] && link.pin_path().is_none());
    std::fs::remove_file(&path)?;
    link.pin(&free)?;
    check(run, &link, Some("free"))?;
    link.unpin()?;
    Ok(())
}

/// The kernel's `EPERM` is looked into: it may be that there is no bpffs.
fn pin_where_no_bpffs_is(run: &mut Run<'_>) -> Result<()> {
    let mut link = dissecting(&dissector()?)?;
    let path = run.sandbox.directory().join("pin");
    run.attempt_in_vain(Some(libc::EPERM), || link.pin(&path))?;
    check(run, &link, None)?;
    link.pin(run.path("pin"))?;
    link.unpin()?;
    Ok(())
}

fn pin_with_a_dot(run: &mut Run<'_>) -> Result<()> {
    let mut link = dissecting(&dissector()?)?;
    let path = run.path("p.in");
    run.attempt_in_vain(Some(libc::EPERM), || link.pin(&path))?;
    check(run, &link, None)?;
    link.pin(run.path("pin"))?;
    link.unpin()?;
    Ok(())
}

fn move_a_pin(run: &mut Run<'_>) -> Result<()> {
    let mut link = dissecting(&dissector()?)?;
    let (old, new) = (run.path("old"), run.path("new"));
    link.pin(&old)?;
    let done = run.attempt(|| link.pin(&new))?;
    if old.exists() && done.is_some() {
        // A caller that hears that there is no old pin makes a new one, and the old one is there
        // all the same.
        run.ensure_pinned(&link, &["new", "old"])?;
        ensure!(link.pin_path() == Some(new.as_path()));
        std::fs::remove_file(&old)?;
    }
    check(run, &link, Some(if done.is_some() { "new" } else { "old" }))?;
    link.pin(run.path("next"))?;
    check(run, &link, Some("next"))?;
    link.unpin()?;
    Ok(())
}

fn move_a_pin_that_has_gone(run: &mut Run<'_>) -> Result<()> {
    let mut link = dissecting(&dissector()?)?;
    let (old, new) = (run.path("old"), run.path("new"));
    link.pin(&old)?;
    std::fs::remove_file(&old)?;
    let done = run.attempt(|| link.pin(&new))?;
    run.ensure_pinned(&link, done.map(|()| "new").as_slice())?;
    let remembered = if done.is_some() { &new } else { &old };
    ensure!(link.pin_path() == Some(remembered.as_path()));
    link.pin(run.path("next"))?;
    check(run, &link, Some("next"))?;
    link.unpin()?;
    Ok(())
}

fn move_a_pin_that_is_another(run: &mut Run<'_>) -> Result<()> {
    let program = dissector()?;
    let mut link = dissecting(&program)?;
    let (old, new) = (run.path("old"), run.path("new"));
    link.pin(&old)?;
    std::fs::remove_file(&old)?;
    pins::pin(&program, &old)?;
    let done = run.attempt_whatever(
        crate::observation::Outcome::Refused(None, String::new()),
        || link.pin(&new),
    )?;
    if done.is_ok() {
        // It has heard that there is no old pin.
        ensure!(link.pin_path() == Some(new.as_path()));
        link.unpin()?;
    } else {
        ensure!(link.pin_path() == Some(old.as_path()));
    }
    ensure!(run.sandbox.pinned()? == [old.as_path()]);
    std::fs::remove_file(&old)?;
    link.pin(&new)?;
    check(run, &link, Some("new"))?;
    link.unpin()?;
    Ok(())
}

fn pin_where_it_is(run: &mut Run<'_>) -> Result<()> {
    let mut link = dissecting(&dissector()?)?;
    let path = run.path("pin");
    link.pin(&path)?;
    let same = run.sandbox.bpffs().join("./pin");
    let done = run.attempt(|| link.pin(&same))?;
    run.ensure_pinned(&link, &["pin"])?;
    // It is the same place, however it is spelled.
    ensure!(done.is_none() || link.pin_path() == Some(path.as_path()));
    link.pin(&same)?;
    check(run, &link, Some("pin"))?;
    link.unpin()?;
    Ok(())
}

fn pin_over_another(run: &mut Run<'_>) -> Result<()> {
    let program = dissector()?;
    let mut link = dissecting(&program)?;
    let path = run.path("pin");
    pins::pin(&program, &path)?;
    let done = run.attempt(|| link.pin_over(&path))?;
    if done.is_none() {
        ensure!(run.sandbox.pinned()? == [path.as_path()] && link.pin_path().is_none());
        ensure!(RawLink::from_pinned(&path).is_err(), "it was replaced");
        link.pin_over(&path)?;
    }
    check(run, &link, Some("pin"))?;
    link.unpin()?;
    Ok(())
}

fn pin_over_another_by_a_move(run: &mut Run<'_>) -> Result<()> {
    let program = dissector()?;
    let mut link = dissecting(&program)?;
    let (old, path) = (run.path("old"), run.path("pin"));
    link.pin(&old)?;
    pins::pin(&program, &path)?;
    let done = run.attempt(|| link.pin_over(&path))?;
    if done.is_none() {
        let mut pinned = run.sandbox.pinned()?;
        pinned.sort();
        ensure!(pinned == [old.as_path(), path.as_path()], "{pinned:?}");
        ensure!(link.pin_path() == Some(old.as_path()));
        ensure!(RawLink::from_pinned(&path).is_err(), "it was replaced");
        link.pin_over(&path)?;
    }
    check(run, &link, Some("pin"))?;
    link.unpin()?;
    Ok(())
}

fn lock_the_directory(run: &mut Run<'_>) -> Result<()> {
    let path = run.path("pin");
    drop(run.attempt(|| PinLock::of(&path))?);
    // A call that failed has not kept it.
    drop(PinLock::of(&path)?);
    Ok(())
}

fn unpin(run: &mut Run<'_>) -> Result<()> {
    let mut link = dissecting(&dissector()?)?;
    let path = run.path("pin");
    link.pin(&path)?;
    let done = run.attempt(|| link.unpin())?;
    ensure!(link.pin_path().is_some() == done.is_none());
    if done.is_some() && path.exists() {
        // A caller that hears that there is no pin has nothing to remove, and it is there all the
        // same.
        run.ensure_pinned(&link, &["pin"])?;
        std::fs::remove_file(&path)?;
    }
    let left = done.is_none().then_some("pin");
    run.ensure_pinned(&link, left.as_slice())?;
    link.unpin()?;
    check(run, &link, None)
}
