//! Perf events of every sort, and probes in many places.

use std::ffi::CStr;
use std::fs::File;
use std::hint::black_box;

use anyhow::{Context as _, Result};
use bpf_link_sys::{PERF_COUNT_SW_PAGE_FAULTS, PERF_TYPE_SOFTWARE};
use bpf_link_tests::{Hook, Loader, PerfEvent, Sandbox, own_code};
use bpf_link_typed::{
    CounterEvent, Error, FileRef, KprobeEvent, KprobeMultiAttach, PerfEventAttach, PerfTarget,
    TracepointEvent, UprobeEvent, UprobeMultiAttach, When,
};
use serde_json::{Value, json};

use super::SubKind;
use crate::fixture::attaching::since;
use crate::functions::kernel::{CALLS, SYMBOLS, address_of, call_all};
use crate::functions::own::{call_each, counters, first, offset_of, offsets};
use crate::harness::{Need, Test, test};
use crate::suites::conformance::Counting;

const KPROBES: &[Need] = &[Need::Function("register_kprobe")];
const UPROBES: &[Need] = &[Need::Function("uprobe_mmap")];
const KPROBE_SESSION: &[Need] = &[Need::Constant(
    "bpf_attach_type",
    "BPF_TRACE_KPROBE_SESSION",
)];
const UPROBE_SESSION: &[Need] = &[Need::Constant(
    "bpf_attach_type",
    "BPF_TRACE_UPROBE_SESSION",
)];

/// Two links with different reference counters for one place of a file cannot be at the same time, and all tests are in one
/// file: so those that are on places of a file run alone.
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
    test!(kprobes).needs(Need::KPROBE_MULTI),
    test!(kprobe_sessions)
        .needs(Need::KPROBE_MULTI)
        .also_needs(KPROBE_SESSION),
    test!(kretprobe).needs(Need::PERF_EVENT).also_needs(KPROBES),
    test!(kretprobes).needs(Need::KPROBE_MULTI),
    test!(tracepoint).needs(Need::PERF_EVENT),
    test!(uprobe)
        .alone()
        .needs(Need::PERF_EVENT)
        .also_needs(UPROBES),
    test!(uprobes).alone().needs(Need::UPROBE_MULTI),
    test!(uprobes_by_descriptor)
        .alone()
        .needs(Need::UPROBE_MULTI)
        .also_needs(&[Need::Linux(7, 2)]),
    test!(uprobe_sessions)
        .alone()
        .needs(Need::UPROBE_MULTI)
        .also_needs(UPROBE_SESSION),
    test!(uretprobe)
        .alone()
        .needs(Need::PERF_EVENT)
        .also_needs(UPROBES),
    test!(uretprobes).alone().needs(Need::UPROBE_MULTI),
];

const COOKIE: u64 = 0xfedc_ba98_7654_3210;
const COOKIES: [u64; 3] = [COOKIE, 0, u64::MAX];

/// A program that counts what happens in this process.
fn load(hook: Hook) -> Result<Counting> {
    Counting::loaded(Loader::new(hook).in_this_process())
}

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
        programs: [load(hook)?, load(hook)?],
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
    let event = CounterEvent::new(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS.into(), 1).pid(0);
    let sort = (event, Hook::PERF_EVENT);
    perf_event(sandbox, sort, &of_a_counter()?, &use_new_memory)
}

fn event_of_the_caller(sandbox: &Sandbox) -> Result<()> {
    use std::os::fd::AsFd as _;
    let event = PerfEvent::page_fault()?;
    let sort = (PerfTarget::Fd(event.as_fd()), Hook::PERF_EVENT);
    perf_event(sandbox, sort, &of_a_counter()?, &use_new_memory)
}

/// Where a probe of the kernel is, which may be behind an instruction that jumps have to land on.
fn address_of_probe(event: KprobeEvent<'_>) -> Result<Value> {
    let probe = PerfEventAttach::to(event).attach(&load(Hook::KPROBE)?)?;
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
        "type": sort, "function": function, "offset": offset, "address": address_of_probe(event)?,
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

/// Behind the first or the second instruction, whichever ends there.
fn kprobe_inside_a_function(sandbox: &Sandbox) -> Result<()> {
    let [symbol, ..] = SYMBOLS;
    for offset in [4, 5, 8, 9] {
        let event = KprobeEvent::at(symbol, offset.into());
        match PerfEventAttach::to(event).attach(&load(Hook::KPROBE)?) {
            Ok(probe) => {
                drop(probe);
                return check_kprobe(sandbox, event, ("kprobe", Some(symbol), offset));
            }
            Err(Error::Link(bpf_link::Error::Command(error))) => {
                // It is inside of an instruction.
                anyhow::ensure!([libc::EILSEQ, libc::EINVAL].contains(&error.errno().unwrap_or(0)));
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

/// By symbols and by addresses, which the kernel sorts.
fn many_kprobes(sandbox: &Sandbox, (hook, when, flags): (Hook, When, &str)) -> Result<()> {
    let [a, b, c] = SYMBOLS;
    let addresses = [address_of(a)?, address_of(b)?, address_of(c)?];
    let mut sorted: Vec<(u64, u64)> = addresses.into_iter().zip(COOKIES).collect();
    sorted.sort_unstable();
    let (sorted, cookies): (Vec<u64>, Vec<u64>) = sorted.into_iter().unzip();
    for to in [
        KprobeMultiAttach::to_symbols(when, &SYMBOLS),
        KprobeMultiAttach::to_addresses(when, &addresses),
    ] {
        SubKind {
            sandbox,
            programs: [load(hook)?, load(hook)?],
            attach: &|program| Ok(to.cookies(&COOKIES).attach(program)?.into()),
            info: &|_| {
                Ok(json!({
                    "count": 3, "addresses": { "visible": sorted }, "cookies": cookies, "flags": flags, "missed": 0,
                }))
            },
            event: &|_| {
                call_all();
                Ok(())
            },
        }
        .check()?;
    }
    Ok(())
}

fn kprobes(sandbox: &Sandbox) -> Result<()> {
    many_kprobes(sandbox, (Hook::KPROBE_MULTI, When::Entry, ""))
}

fn kretprobes(sandbox: &Sandbox) -> Result<()> {
    many_kprobes(sandbox, (Hook::KPROBE_MULTI, When::Return, "RETURN"))
}

/// The kernel does not say that it is a session.
fn kprobe_sessions(sandbox: &Sandbox) -> Result<()> {
    many_kprobes(sandbox, (Hook::KPROBE_SESSION, When::Session, ""))
}

fn many_uprobes(
    sandbox: &Sandbox,
    file: FileRef<'_>,
    (hook, when, flags): (Hook, When, &str),
) -> Result<()> {
    let (offsets, [counter, ..]) = (offsets()?, counters()?);
    let (references, pid) = ([counter, 0, 0], std::process::id());
    let to = UprobeMultiAttach::to(file, when, &offsets).ref_ctr_offsets(&references);
    let to = to.cookies(&COOKIES).pid(pid);
    let path = std::fs::read_link(own_code::FILE)?;
    SubKind {
        sandbox,
        programs: [load(hook)?, load(hook)?],
        attach: &|program| Ok(to.attach(program)?.into()),
        info: &|_| {
            Ok(json!({
                "path": path, "count": 3, "offsets": offsets, "ref_ctr_offsets": references, "cookies": COOKIES,
                "flags": flags, "pid": pid,
            }))
        },
        event: &|_| {
            call_each();
            Ok(())
        },
    }
    .check()
}

fn uprobes(sandbox: &Sandbox) -> Result<()> {
    let sort = (Hook::UPROBE_MULTI, When::Entry, "");
    many_uprobes(sandbox, own_code::FILE.into(), sort)
}

fn uprobes_by_descriptor(sandbox: &Sandbox) -> Result<()> {
    let file = File::open(own_code::FILE)?;
    let sort = (Hook::UPROBE_MULTI, When::Entry, "PATH_FD");
    many_uprobes(sandbox, FileRef::fd(&file), sort)
}

fn uretprobes(sandbox: &Sandbox) -> Result<()> {
    let sort = (Hook::UPROBE_MULTI, When::Return, "RETURN");
    many_uprobes(sandbox, own_code::FILE.into(), sort)
}

/// The kernel does not say that it is a session.
fn uprobe_sessions(sandbox: &Sandbox) -> Result<()> {
    let sort = (Hook::UPROBE_SESSION, When::Session, "");
    many_uprobes(sandbox, own_code::FILE.into(), sort)
}
