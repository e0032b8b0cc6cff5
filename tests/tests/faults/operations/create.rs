//! Links that are made.

use std::os::fd::AsFd as _;

use anyhow::{Result, ensure};
use bpf_link::{
    Anchor, AttachFlags, AttachType, IterArgs, IterTask, LinkCreate, MprogArgs, RawLink,
    RawTracepointOpen,
};
use bpf_link_tests::names::object_name;
use bpf_link_tests::{CongestionControl, Hook, Program, iterator, links, sys};

use super::{Operation, operations};
use crate::run::{LOOPBACK, Run, ensure_program, is_lo_taken, xdp_program, xdp_request};

pub(super) const OPERATIONS: &[Operation] = operations![
    create,
    create_where_another_is,
    create_on_nothing,
    create_next_to_a_link,
    create_next_to_an_id,
    create_at_a_position_in_a_cgroup,
    create_over_a_thread,
    create_of_a_map,
    open_a_raw_tracepoint,
    open_a_raw_tracepoint_with_a_cookie,
];

fn create(run: &mut Run<'_>) -> Result<()> {
    let program = xdp_program()?;
    let link = run.attempt(|| RawLink::create(&xdp_request(&program)))?;
    ensure!(is_lo_taken()? == link.is_some());
    drop(link);
    let link = RawLink::create(&xdp_request(&program))?;
    ensure_program(&link, &program)
}

fn create_where_another_is(run: &mut Run<'_>) -> Result<()> {
    let (program, other) = (xdp_program()?, xdp_program()?);
    let link = RawLink::create(&xdp_request(&program))?;
    run.attempt_in_vain(Some(libc::EBUSY), || RawLink::create(&xdp_request(&other)))?;
    ensure_program(&link, &program)?;
    drop(link);
    drop(RawLink::create(&xdp_request(&other))?);
    Ok(())
}

/// The kernel's `EINVAL` is looked into: it may be that it does not know the arguments.
fn create_on_nothing(run: &mut Run<'_>) -> Result<()> {
    let program = Program::passing(Hook::TCX_INGRESS)?;
    let args = MprogArgs::new().expected_revision(1);
    let request = LinkCreate::new(&program, AttachType::Xdp).target_ifindex(LOOPBACK);
    run.attempt_in_vain(Some(libc::EINVAL), || RawLink::create(&request))?;
    ensure!(!is_lo_taken()?);
    let request = LinkCreate::new(&program, AttachType::TcxIngress);
    drop(RawLink::create(
        &request.target_ifindex(LOOPBACK).args(args),
    )?);
    Ok(())
}

fn tcx(program: &Program) -> LinkCreate<'_> {
    LinkCreate::new(program, AttachType::TcxIngress).target_ifindex(LOOPBACK)
}

/// The programs on `lo`, as the kernel has them.
fn programs_on_lo() -> Result<Vec<u32>> {
    let target = sys::LinkTarget::Ifindex(LOOPBACK);
    Ok(sys::prog_query(target, bpf_link_sys::BPF_TCX_INGRESS)?)
}

/// As [`tcx`], before its anchor.
fn before<'a>(anchor: Anchor<'a>, program: &'a Program) -> LinkCreate<'a> {
    let args = MprogArgs::new().anchor(anchor);
    tcx(program).flags(AttachFlags::BEFORE).args(args)
}

fn create_next_to_a_link(run: &mut Run<'_>) -> Result<()> {
    let (one, two) = two_programs()?;
    let first = RawLink::create(&tcx(&one))?;
    let request = before(Anchor::link(&first), &two);
    let link = run.attempt(|| RawLink::create(&request))?;
    check_order(link, &one, &two)?;
    drop(RawLink::create(&request)?);
    Ok(())
}

fn create_next_to_an_id(run: &mut Run<'_>) -> Result<()> {
    let (one, two) = two_programs()?;
    let first = RawLink::create(&tcx(&one))?;
    let request = before(Anchor::LinkId(first.id()?), &two);
    let link = run.attempt(|| RawLink::create(&request))?;
    check_order(link, &one, &two)?;
    drop(RawLink::create(&request)?);
    Ok(())
}

fn two_programs() -> Result<(Program, Program)> {
    let hook = Hook::TCX_INGRESS;
    Ok((Program::passing(hook)?, Program::passing(hook)?))
}

/// Fails unless the second program runs before the first, or there is no link of it.
fn check_order(link: Option<RawLink>, one: &Program, two: &Program) -> Result<()> {
    let expected = match link {
        Some(_) => vec![two.id()?, one.id()?],
        None => vec![one.id()?],
    };
    ensure!(programs_on_lo()? == expected);
    drop(link);
    Ok(())
}

fn create_at_a_position_in_a_cgroup(run: &mut Run<'_>) -> Result<()> {
    let cgroup = run.sandbox.new_cgroup("faults")?;
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    let target = sys::LinkTarget::from(cgroup.as_fd());
    let attach_type = bpf_link_sys::BPF_CGROUP_INET_EGRESS;
    let request = || -> Result<LinkCreate<'_>> {
        let revision = sys::hook_revision(target, attach_type)?;
        let args = MprogArgs::new().expected_revision(revision);
        let request = LinkCreate::new(&program, AttachType::CgroupInetEgress);
        Ok(request.target_fd(&cgroup).args(args))
    };
    let first = request()?;
    let link = run.attempt(|| RawLink::create(&first))?;
    let expected = link.as_ref().map(|_| program.id()).transpose()?;
    let found = sys::prog_query(target, attach_type)?;
    ensure!(found == Vec::from_iter(expected), "{found:?}");
    drop(link);
    drop(RawLink::create(&request()?)?);
    Ok(())
}

fn create_over_a_thread(run: &mut Run<'_>) -> Result<()> {
    let program = iterator("task", *b"element\n")?;
    let thread = rustix::thread::gettid().as_raw_nonzero().get();
    let args = IterArgs::Task(IterTask::Tid(thread.try_into()?));
    let request = LinkCreate::new(&program, AttachType::TraceIter).args(args);
    let link = run.attempt(|| RawLink::create(&request))?;
    if let Some(link) = &link {
        ensure_program(link, &program)?;
    }
    drop(link);
    ensure_program(&RawLink::create(&request)?, &program)
}

fn create_of_a_map(run: &mut Run<'_>) -> Result<()> {
    let map = CongestionControl::new(&object_name("cc"))?;
    let request = LinkCreate::struct_ops(&map);
    let link = run.attempt(|| RawLink::create(&request))?;
    if let Some(link) = &link {
        ensure!(links::LinkInfo::of(link)?.u32_at(16) == map.id()?);
    }
    drop(link);
    Ok(())
}

fn open_a_raw_tracepoint(run: &mut Run<'_>) -> Result<()> {
    open_with(run, 0)
}

fn open_a_raw_tracepoint_with_a_cookie(run: &mut Run<'_>) -> Result<()> {
    open_with(run, 0x1234)
}

fn open_with(run: &mut Run<'_>, cookie: u64) -> Result<()> {
    let program = Program::passing(Hook::RAW_TRACEPOINT)?;
    let request = RawTracepointOpen::named(&program, c"sched_switch")?.cookie(cookie);
    let link = run.attempt(|| RawLink::open_raw_tracepoint(&request))?;
    if let Some(link) = &link {
        ensure_program(link, &program)?;
    }
    drop(link);
    drop(RawLink::open_raw_tracepoint(&request)?);
    Ok(())
}
