//! Every sort of `perf_event` link, attached through its type with every option that it has.

use std::ffi::CStr;
use std::hint::black_box;

use anyhow::{Context as _, Result};
use bpf_link_sys::{PERF_COUNT_SW_PAGE_FAULTS, PERF_TYPE_SOFTWARE};
use bpf_link_tests::{Hook, PerfEvent, Sandbox, own_code};
use bpf_link_typed::{
    CounterEvent, Error, KprobeEvent, PerfEventAttach, PerfTarget, SoftwareEvent, TracepointEvent,
    UprobeEvent,
};
use serde_json::{Value, json};

use crate::fixture::attaching::since;
use crate::functions::kernel::{CALLS, SYMBOLS, address_of};
use crate::functions::own::{call_each, counters, first, offset_of};
use crate::harness::{Need, Test, test};
use crate::suites::sorts::{COOKIE, SubKind, counting_here};

const KPROBES: &[Need] = &[Need::Function("register_kprobe")];
const UPROBES: &[Need] = &[Need::Function("uprobe_mmap")];

/// Two links with different reference counters cannot be on one place of a file at the same time,
/// and all tests are in one file: those that are on places of a file run alone.
pub(crate) const TESTS: &[Test] = &[
    test!(counter).needs(Need::PERF_EVENT),
    test!(event_of_the_caller).needs(Need::PERF_EVENT),
    test!(kprobe).needs(Need::PERF_EVENT).also_needs(KPROBES),
    test!(kprobe_at_an_address)
        .needs(Need::PERF_EVENT)
        .also_needs(KPROBES),
    test!(kprobe_inside_a_function)
        .needs(Need::PERF_EVENT)
        .also_needs(KPROBES),
    test!(kretprobe).needs(Need::PERF_EVENT).also_needs(KPROBES),
    test!(tracepoint).needs(Need::PERF_EVENT),
    test!(uprobe)
        .alone()
        .needs(Need::PERF_EVENT)
        .also_needs(UPROBES),
    test!(uretprobe)
        .alone()
        .needs(Need::PERF_EVENT)
        .also_needs(UPROBES),
];

/// `details` are those of the sort of event.
fn perf_event<'a>(
    sandbox: &Sandbox,
    (target, hook): (impl Into<PerfTarget<'a>>, Hook),
    details: &Value,
    event: &dyn Fn(),
) -> Result<()> {
    let to = PerfEventAttach::to(target).cookie(COOKIE);
    SubKind {
        sandbox,
        programs: [counting_here(hook)?, counting_here(hook)?],
        attach: &|program| Ok(to.attach(program)?.into()),
        info: &|_| Ok(json!({ "event": details })),
        event: &|_| {
            event();
            Ok(())
        },
    }
    .check()
}

fn cookie() -> Result<Option<u64>> {
    since(6, 9, COOKIE)
}

fn tracepoint(sandbox: &Sandbox) -> Result<()> {
    let name = "sys_enter_getppid";
    let event = TracepointEvent::new("syscalls", name).tracefs(sandbox.tracefs()?);
    let details = json!({ "type": "tracepoint", "name": name, "cookie": cookie()? });
    perf_event(sandbox, (event, Hook::TRACEPOINT), &details, &|| {
        let _parent = rustix::process::getppid();
    })
}

/// So much at a time comes fresh from the kernel, and from no allocator's store.
fn use_new_memory() {
    let mut memory = vec![0_u8; 64 << 20];
    if let Some(byte) = black_box(&mut memory).last_mut() {
        *byte = 1;
    }
    black_box(memory);
}

fn of_a_counter() -> Result<Value> {
    Ok(json!({
        "type": "event", "event_type": PERF_TYPE_SOFTWARE, "config": PERF_COUNT_SW_PAGE_FAULTS, "cookie": cookie()?,
    }))
}

fn counter(sandbox: &Sandbox) -> Result<()> {
    let event = CounterEvent::with_period(SoftwareEvent::PageFaults, 1).thread(0);
    let sort = (event, Hook::PERF_EVENT);
    perf_event(sandbox, sort, &of_a_counter()?, &use_new_memory)
}

fn event_of_the_caller(sandbox: &Sandbox) -> Result<()> {
    use std::os::fd::AsFd as _;
    let event = PerfEvent::page_fault()?;
    let sort = (PerfTarget::Fd(event.as_fd()), Hook::PERF_EVENT);
    perf_event(sandbox, sort, &of_a_counter()?, &use_new_memory)
}

/// Where a probe of the kernel is, which may be after an instruction that jumps have to land on.
fn address_of_probe(event: KprobeEvent<'_>) -> Result<Value> {
    let probe = PerfEventAttach::to(event).attach(&counting_here(Hook::KPROBE)?)?;
    let info = serde_json::to_value(probe.info()?)?;
    let address = info.pointer("/event/address").cloned();
    let number = info
        .pointer("/event/address/visible")
        .and_then(Value::as_u64);
    let [symbol, ..] = SYMBOLS;
    let start = address_of(symbol)?;
    if since(6, 6, ())?.is_none() {
        return Ok(Value::Null);
    }
    anyhow::ensure!(number.is_some_and(|found| (start..start + 16).contains(&found)));
    address.context("no address")
}

fn check_kprobe(
    sandbox: &Sandbox,
    event: KprobeEvent<'_>,
    (sort, function, offset): (&str, Option<&CStr>, u32),
) -> Result<()> {
    let function = function.map(CStr::to_str).transpose()?;
    let details = json!({
        "type": sort, "function": function, "offset": offset, "address": address_of_probe(event.clone())?,
        "missed": since(6, 7, 0)?, "cookie": cookie()?,
    });
    let [call, ..] = CALLS;
    perf_event(sandbox, (event, Hook::KPROBE), &details, &call)
}

fn kprobe(sandbox: &Sandbox) -> Result<()> {
    let [symbol, ..] = SYMBOLS;
    let event = KprobeEvent::at(symbol, 0);
    check_kprobe(sandbox, event, ("kprobe", Some(symbol), 0))
}

fn kretprobe(sandbox: &Sandbox) -> Result<()> {
    let [symbol, ..] = SYMBOLS;
    let event = KprobeEvent::at(symbol, 0).on_return();
    check_kprobe(sandbox, event, ("kretprobe", Some(symbol), 0))
}

fn kprobe_at_an_address(sandbox: &Sandbox) -> Result<()> {
    let [symbol, ..] = SYMBOLS;
    let event = KprobeEvent::at_address(address_of(symbol)?);
    check_kprobe(sandbox, event, ("kprobe", None, 0))
}

/// After the first or the second instruction, whichever ends there.
fn kprobe_inside_a_function(sandbox: &Sandbox) -> Result<()> {
    let [symbol, ..] = SYMBOLS;
    for offset in [4, 5, 6, 8, 9, 10] {
        let event = KprobeEvent::at(symbol, offset.into());
        match PerfEventAttach::to(event.clone()).attach(&counting_here(Hook::KPROBE)?) {
            Ok(probe) => {
                drop(probe);
                return check_kprobe(sandbox, event, ("kprobe", Some(symbol), offset));
            }
            Err(Error::InsideInstruction { .. }) => {}
            // So it is here, but s390x has no word of its own for that.
            Err(Error::Link(bpf_link::Error::Command(error))) => {
                anyhow::ensure!(error.errno() == Some(libc::EINVAL), "{error:?}");
            }
            Err(error) => return Err(error.into()),
        }
    }
    anyhow::bail!("no instruction ends there")
}

fn check_uprobe(sandbox: &Sandbox, sort: &str, on_return: bool) -> Result<()> {
    let (offset, [references, ..]) = (offset_of(first)?, counters()?);
    let event = UprobeEvent::at(own_code::FILE, offset).pid(0);
    let event = event.ref_ctr_offset(references.try_into()?);
    let event = if on_return { event.on_return() } else { event };
    let details = json!({
        "type": sort, "file": own_code::FILE, "offset": offset,
        "ref_ctr_offset": since(6, 16, references)?, "cookie": cookie()?,
    });
    perf_event(sandbox, (event, Hook::KPROBE), &details, &call_each)
}

fn uprobe(sandbox: &Sandbox) -> Result<()> {
    check_uprobe(sandbox, "uprobe", false)
}

fn uretprobe(sandbox: &Sandbox) -> Result<()> {
    check_uprobe(sandbox, "uretprobe", true)
}
