//! What it costs to ask for a link's info by way of its type: system calls, and memory from the
//! heap.

use std::ffi::CString;

use allocation_counter::measure;
use anyhow::{Context as _, Result, ensure};
use bpf_link::{
    AttachType, LinkCreate, PerfEventArgs, RawLink, RawTracepointOpen, UprobeMultiArgs,
};
use bpf_link_tests::{CounterMap, Hook, Loader, PerfEvent, Program, Sandbox, iterator};
use bpf_link_typed::{
    InfoBuf, IterLink, Link, PerfEventLink, RawTracepointLink, UprobeMultiLink, XdpLink,
};

use crate::fixture::xdp;
use crate::harness::{Need, Test, test};

/// On newer kernels, the counting program can be preempted. Until it resumes, the kernel skips
/// counting programs for the calls of other processes. So each of these tests runs alone.
pub(crate) const TESTS: &[Test] = &[
    test!(a_pin).needs(Need::PERF_EVENT).alone(),
    test!(a_kind_of_fixed_size).needs(Need::PERF_EVENT).alone(),
    test!(kinds_with_a_name).needs(Need::PERF_EVENT).alone(),
    test!(a_perf_event).needs(Need::PERF_EVENT).alone(),
    test!(a_kind_with_arrays)
        .needs(Need::UPROBE_MULTI)
        .also_needs(&[Need::Member("bpf_link_info", "uprobe_multi")])
        .also_needs(Need::PERF_EVENT)
        .alone(),
];

/// Counts the `bpf(2)` calls of this process.
struct Calls {
    _link: RawLink,
    counter: CounterMap,
    /// How many calls it takes to read the counter.
    reading: u64,
}

impl Calls {
    fn new(sandbox: &Sandbox) -> Result<Self> {
        let event = PerfEvent::tracepoint(sandbox, "syscalls", "sys_enter_bpf")?;
        let counter = CounterMap::new()?;
        let program = Loader::new(Hook::TRACEPOINT)
            .in_this_process()
            .counting(&counter)
            .passing()?;
        let request = LinkCreate::new(&program, AttachType::PerfEvent).target_fd(&event);
        let mut calls = Self {
            _link: RawLink::create(&request)?,
            counter,
            reading: 0,
        };
        calls.reading = calls.of(|| Ok(()))?;
        ensure!(calls.reading > 0 && calls.of(|| Ok(()))? == 0);
        Ok(calls)
    }

    fn of<T>(&self, work: impl FnOnce() -> bpf_link_typed::Result<T>) -> Result<u64> {
        let before = self.counter.read()?;
        work()?;
        Ok(self.counter.read()? - before - self.reading)
    }
}

/// How often memory was asked for.
fn allocations(work: impl FnOnce() -> bpf_link_typed::Result<()>) -> Result<u64> {
    let mut result = None;
    let counted = measure(|| result = Some(work()));
    result.context("it was not measured")??;
    Ok(counted.count_total)
}

/// The same link, whose kind the kernel has not said on the new descriptor.
fn unknown(link: &RawLink) -> Result<RawLink> {
    Ok(RawLink::from_id(link.id()?)?)
}

/// Holds against what they have to be: the calls for a link whose kind is known, for one whose kind
/// is not, and the allocations in a buffer that was used before.
fn check(calls: &Calls, link: RawLink, [known, not_known]: [u64; 2]) -> Result<()> {
    let raw = unknown(&link)?;
    let link = Link::try_from(link)?;
    let mut buf = InfoBuf::new();
    let made = calls.of(|| link.info())?;
    ensure!(made == known, "{made} calls for {:?}", link.kind());
    let made = calls.of(|| buf.read(&raw).map(|_| ()))?;
    ensure!(
        made == not_known,
        "{made} calls for an unknown {:?}",
        link.kind()
    );
    let made = calls.of(|| link.info_in(&mut buf).map(|_| ()))?;
    ensure!(made == known, "{made} calls for {:?}", link.kind());
    let count = allocations(|| link.info_in(&mut buf).map(|_| ()))?;
    ensure!(count == 0, "{count} allocations for {:?}", link.kind());
    let count = allocations(|| buf.read(&raw).map(|_| ()))?;
    ensure!(count == 0, "{count} allocations for {:?}", link.kind());
    Ok(())
}

/// To open it, to learn that it is a link and of which kind, and no more after that.
fn a_pin(sandbox: &Sandbox) -> Result<()> {
    let calls = Calls::new(sandbox)?;
    let path = sandbox.bpffs().join("pin");
    let mut link = xdp(&Program::passing(Hook::XDP)?)?;
    link.pin(&path)?;
    let id = link.id()?;
    let made = calls.of(|| {
        let link = Link::from_pinned(&path)?;
        assert!(matches!(link, Link::Xdp(_)) && link.id()? == id);
        Ok(())
    })?;
    ensure!(made == 2, "{made} calls");
    link.unpin()?;
    Ok(())
}

fn a_kind_of_fixed_size(sandbox: &Sandbox) -> Result<()> {
    let calls = Calls::new(sandbox)?;
    let link = xdp(&Program::passing(Hook::XDP)?)?;
    let typed = XdpLink::try_from(unknown(&link)?)?;
    let made = calls.of(|| typed.info())?;
    ensure!(made == 1, "{made} calls");
    ensure!(allocations(|| typed.info().map(|_| ()))? == 0);
    check(&calls, link, [1, 1])
}

fn kinds_with_a_name(sandbox: &Sandbox) -> Result<()> {
    let calls = Calls::new(sandbox)?;
    let program = Program::passing(Hook::RAW_TRACEPOINT)?;
    let request = RawTracepointOpen::named(&program, c"sched_switch")?;
    let link = RawLink::open_raw_tracepoint(&request)?;
    let typed = RawTracepointLink::try_from(unknown(&link)?)?;
    ensure!(calls.of(|| typed.info())? == 1);
    let mut buf = InfoBuf::new();
    typed.info_in(&mut buf)?;
    ensure!(allocations(|| typed.info_in(&mut buf).map(|_| ()))? == 0);
    check(&calls, link, [1, 2])?;

    let program = iterator("bpf_map", *b"element\n")?;
    let link = RawLink::create(&LinkCreate::new(&program, AttachType::TraceIter))?;
    let typed = IterLink::try_from(unknown(&link)?)?;
    ensure!(calls.of(|| typed.info())? == 1);
    ensure!(allocations(|| typed.info_in(&mut buf).map(|_| ()))? == 0);
    check(&calls, link, [1, 2])
}

fn a_perf_event(sandbox: &Sandbox) -> Result<()> {
    let calls = Calls::new(sandbox)?;
    let tracepoint = PerfEvent::tracepoint(sandbox, "sched", "sched_switch")?;
    let counter = PerfEvent::page_fault()?;
    for (event, hook) in [
        (&tracepoint, Hook::TRACEPOINT),
        (&counter, Hook::PERF_EVENT),
    ] {
        let program = Program::passing(hook)?;
        let request = LinkCreate::new(&program, AttachType::PerfEvent)
            .target_fd(event)
            .args(PerfEventArgs::cookie(1));
        let link = RawLink::create(&request)?;
        let typed = PerfEventLink::try_from(unknown(&link)?)?;
        ensure!(calls.of(|| typed.info())? == 1);
        check(&calls, link, [1, 2])?;
    }
    Ok(())
}

fn a_kind_with_arrays(sandbox: &Sandbox) -> Result<()> {
    let calls = Calls::new(sandbox)?;
    let path = sandbox.directory().join("typed_calls");
    std::fs::write(&path, [0; 4096])?;
    let file = CString::new(path.as_os_str().as_encoded_bytes())?;
    let program = Program::passing(Hook::UPROBE_MULTI)?;
    let mut buf = InfoBuf::new();
    for offsets in [[0, 64, 128].as_slice(), &[32]] {
        let args = UprobeMultiArgs::path(&file, offsets);
        let request = LinkCreate::new(&program, AttachType::TraceUprobeMulti).args(args);
        let link = RawLink::create(&request)?;
        let typed = UprobeMultiLink::try_from(unknown(&link)?)?;
        ensure!(calls.of(|| typed.info())? == 2);
        // The second one finds the buffer larger than it needs it.
        let info = typed.info_in(&mut buf)?;
        ensure!(info.offsets == Some(offsets), "{info:?}");
        ensure!(info.path.context("no path")? == file.as_c_str());
        check(&calls, link, [2, 2])?;
    }
    std::fs::remove_file(&path)?;
    Ok(())
}
