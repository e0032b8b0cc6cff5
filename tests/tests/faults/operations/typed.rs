//! What the typed layer does beyond the operations of `RawLink`: other system calls, and more of
//! them.

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::{Hook, Map, Program};
use bpf_link_typed::{
    CgroupAttach, CgroupHook, IterAttach, Link, LinkInfo, NetnsLink, PerfEventAttach, RawLink,
    RawTracepointAttach, SockmapHook, TcxAttach, TcxHook, TracepointEvent, UprobeEvent,
    UprobeMultiAttach, XdpAttach, XdpLink, attach::When,
};

use super::{Operation, operations};
use crate::observation::Outcome;
use crate::run::{
    Run, dissecting, dissector, ensure_program, is_dissected, is_lo_taken, xdp_program,
};

pub(super) const OPERATIONS: &[Operation] = operations![
    typed_from_pinned,
    typed_from_id,
    typed_from_a_pin_of_another_kind,
    typed_detach_and_unpin,
    typed_info_with_a_name,
    typed_info_with_arrays,
    typed_info_of_a_perf_event,
    attach_to_a_missing_interface,
    attach_to_a_cgroup_by_path,
    attach_to_a_tracepoint,
    attach_to_a_missing_tracepoint,
    attach_to_a_uprobe,
    attach_to_many_uprobes,
    attach_an_iterator,
    query_a_named_interface,
    query_a_cgroup_by_path,
    query_a_sockmap,
];

/// If the device is said to be busy, this looks at all links for the one that keeps it so.
pub(super) const WALKS: &[Operation] =
    &[Operation::new("attach_to_a_named_interface", attach_to_a_named_interface).walking()];

fn typed_from_pinned(run: &mut Run<'_>) -> Result<()> {
    let mut link = dissecting(&dissector()?)?;
    let path = run.path("pin");
    link.pin(&path)?;
    let opened = run.attempt(|| Link::from_pinned(&path))?;
    ensure!(opened.is_none_or(|opened| matches!(opened, Link::Netns(_))));
    ensure!(matches!(Link::from_pinned(&path)?, Link::Netns(_)));
    link.unpin()?;
    Ok(())
}

fn typed_from_id(run: &mut Run<'_>) -> Result<()> {
    let link = dissecting(&dissector()?)?;
    let id = link.id()?;
    let opened = run.attempt(|| NetnsLink::from_id(id))?;
    drop(opened);
    ensure!(NetnsLink::from_id(id)?.id()? == id);
    Ok(())
}

fn raw_tracepoint(program: &Program) -> Result<Link> {
    let link = RawTracepointAttach::to(c"sched_switch").attach(program)?;
    Ok(Link::RawTracepoint(link))
}

fn typed_from_a_pin_of_another_kind(run: &mut Run<'_>) -> Result<()> {
    let program = Program::passing(Hook::RAW_TRACEPOINT)?;
    let mut link = raw_tracepoint(&program)?;
    let path = run.path("pin");
    link.pin(&path)?;
    run.attempt_in_vain(None, || XdpLink::from_pinned(&path))?;
    ensure!(run.sandbox.pinned()? == [path]);
    ensure_program(link.as_raw(), &program)?;
    link.unpin()?;
    Ok(())
}

fn typed_detach_and_unpin(run: &mut Run<'_>) -> Result<()> {
    let path = run.path("pin");
    let link: Result<NetnsLink, _> = dissecting(&dissector()?)?.try_into();
    let mut link = link.ok().context("it is one")?;
    link.pin(&path)?;
    match run.attempt_whatever(Outcome::Done, || link.detach_and_unpin())? {
        Ok(()) => {
            // A caller that hears that there is no pin has nothing to remove, and it is there all
            // the same.
            if path.exists() {
                std::fs::remove_file(&path)?;
            }
        }
        // What was refused comes back, and goes with the next call.
        Err(refused) => refused.into_parts().0.detach_and_unpin()?,
    }
    ensure!(!is_dissected()? && !path.exists());
    Ok(())
}

/// The same link, of which nothing is known yet.
fn unknown(link: &Link) -> Result<RawLink> {
    Ok(RawLink::from_id(link.id()?)?)
}

fn typed_info_with_a_name(run: &mut Run<'_>) -> Result<()> {
    let program = Program::passing(Hook::RAW_TRACEPOINT)?;
    let link = raw_tracepoint(&program)?;
    let raw = unknown(&link)?;
    let info = run.attempt(|| LinkInfo::read(&raw))?;
    for info in info.into_iter().chain([link.info()?]) {
        let LinkInfo::RawTracepoint(info) = info else {
            anyhow::bail!("{info:?}");
        };
        ensure!(info.name.as_deref() == Some(c"sched_switch"), "{info:?}");
    }
    Ok(())
}

const OFFSETS: [u64; 3] = [0, 64, 128];

fn typed_info_with_arrays(run: &mut Run<'_>) -> Result<()> {
    let path = probed(run)?;
    let program = Program::passing(Hook::UPROBE_MULTI)?;
    let attach = UprobeMultiAttach::to(path.as_path(), When::Entry, OFFSETS);
    let link = attach.attach(&program)?;
    let info = run.attempt(|| link.info())?;
    for info in info.into_iter().chain([link.info()?]) {
        ensure!(info.offsets.as_deref() == Some(&OFFSETS[..]), "{info:?}");
    }
    std::fs::remove_file(&path)?;
    Ok(())
}

/// A file to put probes into, which no process ever runs.
fn probed(run: &Run<'_>) -> Result<std::path::PathBuf> {
    let path = run.sandbox.directory().join("probed");
    std::fs::write(&path, [0; 4096])?;
    Ok(path)
}

fn tracepoint<'a>(run: &Run<'a>, name: &'a str) -> Result<PerfEventAttach<'a>> {
    let event = TracepointEvent::new("sched", name).tracefs(run.sandbox.tracefs()?);
    Ok(PerfEventAttach::to(event))
}

fn typed_info_of_a_perf_event(run: &mut Run<'_>) -> Result<()> {
    let program = Program::passing(Hook::TRACEPOINT)?;
    let link = tracepoint(run, "sched_switch")?.attach(&program)?;
    let link = Link::PerfEvent(link);
    let raw = unknown(&link)?;
    let info = run.attempt(|| LinkInfo::read(&raw))?;
    ensure!(info.is_none_or(|info| Ok(info) == link.info().map_err(drop)));
    Ok(())
}

/// Attaches it, and does so again when there is no link of it any more.
fn attach_and_attach_again<L: Into<Link> + Send>(
    run: &mut Run<'_>,
    program: &Program,
    attach: impl Fn() -> bpf_link_typed::Result<L> + Sync,
) -> Result<()> {
    if let Some(link) = run.attempt(&attach)? {
        ensure_program(link.into().as_raw(), program)?;
    }
    ensure_program(attach()?.into().as_raw(), program)
}

fn attach_to_a_named_interface(run: &mut Run<'_>) -> Result<()> {
    let program = xdp_program()?;
    let link = run.attempt(|| XdpAttach::to("lo").attach(&program))?;
    ensure!(is_lo_taken()? == link.is_some());
    drop(link);
    ensure_program(XdpAttach::to("lo").attach(&program)?.as_raw(), &program)
}

fn attach_to_a_missing_interface(run: &mut Run<'_>) -> Result<()> {
    let program = xdp_program()?;
    let missing = || XdpAttach::to("missing").attach(&program);
    run.attempt_in_vain(Some(libc::ENODEV), missing)?;
    ensure!(!is_lo_taken()?);
    Ok(())
}

fn attach_to_a_cgroup_by_path(run: &mut Run<'_>) -> Result<()> {
    let cgroup = run.sandbox.new_cgroup("faults")?;
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    let attach = CgroupAttach::to(cgroup.path(), CgroupHook::InetEgress);
    attach_and_attach_again(run, &program, || attach.attach(&program))
}

fn attach_to_a_tracepoint(run: &mut Run<'_>) -> Result<()> {
    let program = Program::passing(Hook::TRACEPOINT)?;
    let attach = tracepoint(run, "sched_switch")?;
    attach_and_attach_again(run, &program, || attach.attach(&program))
}

fn attach_to_a_missing_tracepoint(run: &mut Run<'_>) -> Result<()> {
    let program = Program::passing(Hook::TRACEPOINT)?;
    let attach = tracepoint(run, "missing")?;
    run.attempt_in_vain(Some(libc::ENOENT), || attach.attach(&program))?;
    Ok(())
}

fn attach_to_a_uprobe(run: &mut Run<'_>) -> Result<()> {
    let path = probed(run)?;
    let program = Program::passing(Hook::KPROBE)?;
    let attach = PerfEventAttach::to(UprobeEvent::at(&path, 64).ref_ctr_offset(256).on_return());
    attach_and_attach_again(run, &program, || attach.attach(&program))?;
    std::fs::remove_file(&path)?;
    Ok(())
}

fn attach_to_many_uprobes(run: &mut Run<'_>) -> Result<()> {
    let path = probed(run)?;
    let program = Program::passing(Hook::UPROBE_MULTI)?;
    let attach = UprobeMultiAttach::to(path.as_path(), When::Entry, OFFSETS);
    attach_and_attach_again(run, &program, || attach.attach(&program))?;
    std::fs::remove_file(&path)?;
    Ok(())
}

fn attach_an_iterator(run: &mut Run<'_>) -> Result<()> {
    let program = bpf_link_tests::iterator("bpf_map", *b"element\n")?;
    let link = run.attempt(|| IterAttach::over_all().attach(&program))?;
    let link = link.map_or_else(|| IterAttach::over_all().attach(&program), Ok)?;
    link.create_iter()?;
    Ok(())
}

fn query_a_named_interface(run: &mut Run<'_>) -> Result<()> {
    let program = Program::passing(Hook::TCX_INGRESS)?;
    let _link = TcxAttach::to("lo", TcxHook::Ingress).attach(&program)?;
    let answer = run.attempt(|| TcxHook::Ingress.query("lo"))?;
    let id = program.id()?;
    for answer in answer.into_iter().chain([TcxHook::Ingress.query("lo")?]) {
        let first = answer.programs.first().context("no program")?;
        ensure!(first.id.get() == id && answer.programs.len() == 1);
    }
    Ok(())
}

fn query_a_cgroup_by_path(run: &mut Run<'_>) -> Result<()> {
    let cgroup = run.sandbox.new_cgroup("faults")?;
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    let _link = CgroupAttach::to(cgroup.path(), CgroupHook::InetEgress).attach(&program)?;
    let query = || CgroupHook::InetEgress.query(cgroup.path());
    let answer = run.attempt(query)?;
    for answer in answer.into_iter().chain([query()?]) {
        ensure!(answer.programs.len() == 1, "{answer:?}");
    }
    Ok(())
}

/// A map whose hook is free.
fn query_a_sockmap(run: &mut Run<'_>) -> Result<()> {
    let map = Map::sockmap(1)?;
    let query = || SockmapHook::MsgVerdict.query(&map);
    let answer = run.attempt(query)?;
    for answer in answer.into_iter().chain([query()?]) {
        ensure!(answer.programs.is_empty(), "{answer:?}");
    }
    Ok(())
}
