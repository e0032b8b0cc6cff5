//! What is done to a link that is there.

use std::os::fd::{AsRawFd as _, OwnedFd};

use anyhow::{Result, ensure};
use bpf_link::{AttachType, InfoBuffers, LinkCreate, LinkKind, RawLink, RawTracepointOpen, Update};
use bpf_link_tests::names::object_name;
use bpf_link_tests::{CongestionControl, Hook, Program, iterator, links};

use super::{Operation, operations};
use crate::run::{Run, dissecting, dissector, ensure_program, is_dissected};

pub(super) const OPERATIONS: &[Operation] = operations![
    info,
    info_with,
    kind,
    id,
    try_clone,
    convert,
    update,
    update_expecting,
    update_expecting_another,
    update_once_detached,
    update_of_what_is_not_updated,
    update_by_a_map,
    detach,
    detach_of_what_is_not_detached,
    create_iter,
    create_iter_of_what_is_none,
];

fn info(run: &mut Run<'_>) -> Result<()> {
    let program = dissector()?;
    let link = dissecting(&program)?;
    let info = run.attempt(|| link.info())?;
    let id = program.id()?;
    ensure!(info.is_none_or(|info| info.program_id().map(u32::from) == Some(id)));
    ensure!(link.info()?.program_id().map(u32::from) == Some(id));
    Ok(())
}

/// A link whose kind the kernel has not said yet, so that it is asked first.
fn tracepoint(program: &Program) -> Result<RawLink> {
    let request = RawTracepointOpen::named(program, c"sched_switch")?;
    Ok(RawLink::open_raw_tracepoint(&request)?)
}

fn info_with(run: &mut Run<'_>) -> Result<()> {
    let program = Program::passing(Hook::RAW_TRACEPOINT)?;
    let link = tracepoint(&program)?;
    let mut name = [0; 32];
    let told = run.attempt(|| link.info_with(InfoBuffers::RawTracepoint { name: &mut name }))?;
    ensure!(told.is_none() || name.starts_with(b"sched_switch\0"));
    name.fill(0);
    link.info_with(InfoBuffers::RawTracepoint { name: &mut name })?;
    ensure!(name.starts_with(b"sched_switch\0"));
    Ok(())
}

fn kind(run: &mut Run<'_>) -> Result<()> {
    let link = dissecting(&dissector()?)?;
    let kind = run.attempt(|| link.kind())?;
    ensure!(kind.is_none_or(|kind| kind == LinkKind::Netns));
    ensure!(link.kind()? == LinkKind::Netns);
    Ok(())
}

fn id(run: &mut Run<'_>) -> Result<()> {
    let link = dissecting(&dissector()?)?;
    let expected = links::LinkInfo::of(&link)?.id();
    let id = run.attempt(|| link.id())?;
    ensure!(id.is_none_or(|id| id.get() == expected));
    ensure!(link.id()?.get() == expected);
    Ok(())
}

fn try_clone(run: &mut Run<'_>) -> Result<()> {
    let link = dissecting(&dissector()?)?;
    let clone = run.attempt(|| link.try_clone())?;
    let was_made = clone.is_some();
    drop(link);
    // The holder of a clone has the link.
    ensure!(is_dissected()? == was_made);
    drop(clone);
    drop(dissecting(&dissector()?)?.try_clone()?);
    Ok(())
}

fn convert(run: &mut Run<'_>) -> Result<()> {
    let link = dissecting(&dissector()?)?;
    let fd = OwnedFd::from(link);
    let number = fd.as_raw_fd();
    let otherwise = crate::observation::Outcome::Done;
    let fd = match run.attempt_whatever(otherwise, || RawLink::try_from(fd))? {
        Ok(link) => OwnedFd::from(link),
        Err(rejected) => rejected.into_input(),
    };
    ensure!(fd.as_raw_fd() == number && is_dissected()?);
    drop(RawLink::try_from(fd)?);
    Ok(())
}

fn update(run: &mut Run<'_>) -> Result<()> {
    let (old, new) = (dissector()?, dissector()?);
    let link = dissecting(&old)?;
    let done = run.attempt(|| link.update(&new))?;
    ensure_program(&link, if done.is_some() { &new } else { &old })?;
    link.update(&new)?;
    ensure_program(&link, &new)
}

fn update_expecting(run: &mut Run<'_>) -> Result<()> {
    let (old, new) = (dissector()?, dissector()?);
    let link = dissecting(&old)?;
    let done = run.attempt(|| link.update(Update::program(&new).expecting(&old)))?;
    let there = if done.is_some() { &new } else { &old };
    ensure_program(&link, there)?;
    link.update(Update::program(&old).expecting(there))?;
    ensure_program(&link, &old)
}

fn update_expecting_another(run: &mut Run<'_>) -> Result<()> {
    let (old, new) = (dissector()?, dissector()?);
    let link = dissecting(&old)?;
    let update = Update::program(&new).expecting(&new);
    run.attempt_in_vain(Some(libc::EPERM), || link.update(update))?;
    ensure_program(&link, &old)?;
    link.update(&new)?;
    ensure_program(&link, &new)
}

fn update_once_detached(run: &mut Run<'_>) -> Result<()> {
    let program = dissector()?;
    let link = dissecting(&program)?;
    link.detach()?;
    run.attempt_in_vain(Some(libc::ENOLINK), || link.update(&program))?;
    ensure!(!is_dissected()?);
    link.info()?;
    Ok(())
}

fn update_of_what_is_not_updated(run: &mut Run<'_>) -> Result<()> {
    let (old, new) = (
        Program::passing(Hook::RAW_TRACEPOINT)?,
        Program::passing(Hook::RAW_TRACEPOINT)?,
    );
    let link = tracepoint(&old)?;
    run.attempt_in_vain(Some(libc::EINVAL), || link.update(&new))?;
    ensure_program(&link, &old)
}

/// By another map than it has: whether it is another is looked at first, as the kernel crashes
/// otherwise. That look must not be taken for done if it failed.
fn update_by_a_map(run: &mut Run<'_>) -> Result<()> {
    let name = object_name("cc");
    let (old, new) = (
        CongestionControl::new(&name)?,
        CongestionControl::new(&name)?,
    );
    let link = RawLink::create(&LinkCreate::struct_ops(&old))?;
    let done = run.attempt(|| link.update(Update::map(&new).expecting(&old)))?;
    let there = if done.is_some() { &new } else { &old };
    ensure!(links::LinkInfo::of(&link)?.u32_at(16) == there.id()?);
    if done.is_none() {
        link.update(Update::map(&new).expecting(&old))?;
        ensure!(links::LinkInfo::of(&link)?.u32_at(16) == new.id()?);
    }
    Ok(())
}

fn detach(run: &mut Run<'_>) -> Result<()> {
    let program = dissector()?;
    let link = dissecting(&program)?;
    let done = run.attempt(|| link.detach())?;
    ensure!(is_dissected()? == done.is_none());
    link.detach()?;
    ensure!(!is_dissected()?);
    Ok(())
}

fn detach_of_what_is_not_detached(run: &mut Run<'_>) -> Result<()> {
    let program = Program::passing(Hook::RAW_TRACEPOINT)?;
    let link = tracepoint(&program)?;
    run.attempt_in_vain(Some(libc::EOPNOTSUPP), || link.detach())?;
    ensure_program(&link, &program)
}

fn create_iter(run: &mut Run<'_>) -> Result<()> {
    let program = iterator("bpf_map", *b"element\n")?;
    let link = RawLink::create(&LinkCreate::new(&program, AttachType::TraceIter))?;
    drop(run.attempt(|| link.create_iter())?);
    link.create_iter()?;
    Ok(())
}

fn create_iter_of_what_is_none(run: &mut Run<'_>) -> Result<()> {
    let program = dissector()?;
    let link = dissecting(&program)?;
    run.attempt_in_vain(Some(libc::EINVAL), || link.create_iter())?;
    ensure_program(&link, &program)
}
