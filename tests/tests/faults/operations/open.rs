//! Links that are opened: by path, by id, one after the other.

use std::fs::File;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{LinkId, RawLink, link_ids, links};
use bpf_link_tests::pins;

use super::{Operation, operations};
use crate::run::{Run, dissecting, dissector, is_dissected};

pub(super) const OPERATIONS: &[Operation] = operations![
    from_pinned,
    from_pinned_at,
    from_the_pin_of_a_program,
    from_a_directory,
    from_no_bpffs,
    from_id,
    from_an_id_that_has_gone,
];

pub(super) const WALKS: &[Operation] = &[
    Operation::new("walk_of_ids", walk_of_ids).walking(),
    Operation::new("walk_of_links", walk_of_links).walking(),
];

fn from_pinned(run: &mut Run<'_>) -> Result<()> {
    let mut link = dissecting(&dissector()?)?;
    let path = run.path("pin");
    link.pin(&path)?;
    let id = link.id()?;
    drop(link);
    let opened = run.attempt(|| RawLink::from_pinned(&path))?;
    if let Some(opened) = &opened {
        ensure!(opened.pin_path() == Some(path.as_path()) && opened.id()? == id);
    }
    drop(opened);
    ensure!(is_dissected()?);
    RawLink::from_pinned(&path)?.unpin()?;
    Ok(())
}

fn from_pinned_at(run: &mut Run<'_>) -> Result<()> {
    let mut link = dissecting(&dissector()?)?;
    link.pin(run.path("pin"))?;
    let directory = File::open(run.sandbox.bpffs())?;
    let opened = run.attempt(|| RawLink::from_pinned_at(&directory, "pin"))?;
    if let Some(opened) = &opened {
        ensure!(opened.id()? == link.id()?);
    }
    drop(opened);
    RawLink::from_pinned_at(&directory, "pin")?.unpin()?;
    Ok(())
}

fn from_the_pin_of_a_program(run: &mut Run<'_>) -> Result<()> {
    let path = run.path("program");
    pins::pin(&dissector()?, &path)?;
    let otherwise = crate::observation::Outcome::Refused(None, String::new());
    match run.attempt_whatever(otherwise, || RawLink::from_pinned(&path))? {
        // The fault was the answer by which a link is told.
        Ok(taken) => ensure!(taken.detach().is_err(), "a program was detached"),
        Err(_) => ensure!(RawLink::from_pinned(&path).is_err()),
    }
    std::fs::remove_file(&path)?;
    Ok(())
}

/// The kernel's `EACCES` is looked into: it may be a directory, or not on a bpffs.
fn from_a_directory(run: &mut Run<'_>) -> Result<()> {
    let path = run.path("directory");
    std::fs::create_dir(&path)?;
    let otherwise = crate::observation::Outcome::Refused(None, String::new());
    let refused = run.attempt_whatever(otherwise, || RawLink::from_pinned(&path))?;
    ensure!(refused.is_err());
    std::fs::remove_dir(&path)?;
    Ok(())
}

fn from_no_bpffs(run: &mut Run<'_>) -> Result<()> {
    let path = run.sandbox.directory().join("file");
    std::fs::write(&path, "no pin")?;
    run.attempt_in_vain(Some(libc::EACCES), || RawLink::from_pinned(&path))?;
    std::fs::remove_file(&path)?;
    Ok(())
}

fn from_id(run: &mut Run<'_>) -> Result<()> {
    let link = dissecting(&dissector()?)?;
    let id = link.id()?;
    let opened = run.attempt(|| RawLink::from_id(id))?;
    let was_opened = opened.is_some();
    drop(link);
    ensure!(is_dissected()? == was_opened);
    drop(opened);
    let link = dissecting(&dissector()?)?;
    drop(RawLink::from_id(link.id()?)?);
    Ok(())
}

fn from_an_id_that_has_gone(run: &mut Run<'_>) -> Result<()> {
    let never = LinkId::new(i32::MAX.unsigned_abs()).context("0")?;
    run.attempt_in_vain(Some(libc::ENOENT), || RawLink::from_id(never))?;
    Ok(())
}

/// How many links a walk looks at: with as many each call that can have a fault is made. More may
/// be there, of other processes.
const LOOKED_AT: usize = 30;

/// The first error is the operation's; those that a walk passes over are not errors.
fn walk_of_ids(run: &mut Run<'_>) -> Result<()> {
    let link = dissecting(&dissector()?)?;
    let id = link.id()?;
    let walk = || -> bpf_link::Result<Vec<LinkId>> { link_ids().take(LOOKED_AT).collect() };
    if let Some(ids) = run.attempt(walk)? {
        ensure!(ids.is_sorted(), "{ids:?}");
    }
    let ids = walk()?;
    ensure!(ids.contains(&id) || ids.len() == LOOKED_AT, "{ids:?}");
    Ok(())
}

/// One link that cannot be opened does not end the walk: its error is one item.
fn walk_of_links(run: &mut Run<'_>) -> Result<()> {
    let link = dissecting(&dissector()?)?;
    let id = link.id()?;
    run.attempt(|| {
        let mut refused = None;
        for link in links().take(LOOKED_AT) {
            refused = refused.or(link.err());
        }
        refused.map_or(Ok(()), Err)
    })?;
    let found: Vec<LinkId> = links()
        .take(LOOKED_AT)
        .map(|link| link?.id())
        .collect::<bpf_link::Result<_>>()?;
    ensure!(found.contains(&id) || found.len() == LOOKED_AT, "{found:?}");
    Ok(())
}
