//! Links of tracing, probes, iterators and callbacks over restarts and upgrades.

use std::ffi::CStr;
use std::io::Read as _;

use anyhow::{Context as _, Result};
use bpf_link::RawLink;
use bpf_link_tests::{
    CongestionControl, CounterMap, Hook, Loader, Map, Replaceable, Sandbox, names, own_code,
};
use bpf_link_typed::{
    BtfTypeId, IterAttach, KprobeEvent, KprobeMultiAttach, PerfEventAttach, RawTracepointAttach,
    StructOpsAttach, TracepointEvent, TracingAttach, TracingHook, TracingMultiAttach, UprobeEvent,
    UprobeMultiAttach, When, Why,
};
use rustix::net::sockopt::set_tcp_congestion;

use crate::ensure::suite::{Again, Elsewhere, Subject, Way, check, check_once};
use crate::fixture::traffic::{connect, exchange};
use crate::functions::kernel::{SYMBOLS, address_of, call_all};
use crate::functions::own::{first, offset_of, second};
use crate::functions::test::{Caller, FUNCTION, FUNCTIONS, function_id};
use crate::harness::{Need, Test, test};
use crate::suites::conformance::Counting;

const UPROBES: &[Need] = &[Need::Function("uprobe_mmap")];
const KPROBES: &[Need] = &[Need::Function("register_kprobe")];

pub(crate) const TESTS: &[Test] = &[
    test!(extension).needs(Need::TRACING),
    test!(fentry).needs(Need::TRACING),
    test!(iter),
    test!(kprobe).needs(Need::PERF_EVENT).also_needs(KPROBES),
    test!(kprobe_multi).needs(Need::KPROBE_MULTI),
    test!(kprobe_multi_by_address).needs(Need::KPROBE_MULTI),
    test!(raw_tracepoint),
    test!(raw_tracepoint_with_types),
    test!(struct_ops).needs(Need::STRUCT_OPS),
    test!(tracepoint).needs(Need::PERF_EVENT),
    test!(tracing_multi).needs(Need::TRACING_MULTI),
    test!(uprobe)
        .needs(Need::PERF_EVENT)
        .alone()
        .also_needs(UPROBES),
    test!(uprobe_multi).needs(Need::UPROBE_MULTI).alone(),
];

const ANOTHER_HOOK: Elsewhere = Elsewhere {
    why: Why::OtherHook,
    gap: false,
};

const OTHER_OPTIONS: Elsewhere = Elsewhere {
    why: Why::OtherOptions,
    gap: false,
};

/// Whether the kernel is at least this one.
fn is_linux(major: u32, minor: u32) -> Result<bool> {
    Ok(Need::Linux(major, minor).missing()?.is_none())
}

/// What is done for the program that is there already, if this kernel tells all options since that Linux.
fn kept_since(major: u32, minor: u32, gap: bool) -> Result<Again> {
    Ok(if is_linux(major, minor)? {
        Again::Kept
    } else {
        Again::Replaced { gap }
    })
}

fn make_a_system_call() {
    let _parent = rustix::process::getppid();
}

fn raw_tracepoint(sandbox: &Sandbox) -> Result<()> {
    let here = RawTracepointAttach::to(c"sys_enter");
    let elsewhere = RawTracepointAttach::to(c"sys_exit");
    let again = if is_linux(6, 10)? {
        kept_since(6, 17, false)?
    } else {
        // There are no cookies at all.
        Again::Kept
    };
    check(&Subject {
        elsewhere: Some((
            &|how, path, program| how.run(elsewhere, path, program),
            ANOTHER_HOOK,
        )),
        again,
        ..Subject::of_programs(
            sandbox,
            || Counting::loaded(Loader::new(Hook::RAW_TRACEPOINT).in_this_process()),
            &|how, path, program| how.run(here, path, program),
            &|_| {
                make_a_system_call();
                Ok(())
            },
            Way::Overlap,
        )?
    })
}

fn raw_tracepoint_with_types(sandbox: &Sandbox) -> Result<()> {
    let here = RawTracepointAttach::to_load_time_target();
    let again = if is_linux(6, 10)? {
        kept_since(6, 17, false)?
    } else {
        Again::Kept
    };
    let loader = Loader::new(Hook::TYPED_RAW_TRACEPOINT).tracepoint("sys_enter")?;
    let elsewhere: crate::ensure::suite::Call<'_> =
        &|how, path, program| how.run(here.cookie(7), path, program);
    check(&Subject {
        elsewhere: is_linux(6, 17)?.then_some((elsewhere, OTHER_OPTIONS)),
        again,
        ..Subject::of_programs(
            sandbox,
            || Counting::loaded(loader.in_this_process()),
            &|how, path, program| how.run(here, path, program),
            &|_| {
                make_a_system_call();
                Ok(())
            },
            Way::Overlap,
        )?
    })
}

fn fentry(sandbox: &Sandbox) -> Result<()> {
    let loader = Loader::new(Hook::FENTRY).function(FUNCTION)?;
    let caller = Caller::new()?;
    let here = TracingAttach::to(TracingHook::Fentry);
    // Before, a tracing program could be attached only once.
    let check = if is_linux(6, 1)? { check } else { check_once };
    check(&Subject {
        // The cookie is known since 6.17, and there is none before 5.19.
        again: if is_linux(5, 19)? {
            kept_since(6, 17, true)?
        } else {
            Again::Kept
        },
        ..Subject::of_programs(
            sandbox,
            || Counting::loaded(loader.in_this_process()),
            &|how, path, program| how.run(here, path, program),
            &|_| caller.call(),
            Way::Overlap,
        )?
    })
}

fn extension(sandbox: &Sandbox) -> Result<()> {
    let replaced = CounterMap::new()?;
    let target = Replaceable::new(&replaced)?;
    let function = BtfTypeId::new(Replaceable::FUNCTION).context("it is not 0")?;
    let here = TracingAttach::extension_of(&target, function);
    check(&Subject {
        name: names::object_name("extension"),
        again: if is_linux(5, 19)? {
            kept_since(6, 17, true)?
        } else {
            kept_since(5, 13, true)?
        },
        ..Subject::of_programs(
            sandbox,
            || Counting::loaded(target.extension()),
            &|how, path, program| how.run(here, path, program),
            &|_| target.run(),
            Way::OldFirst,
        )?
    })
}

fn tracing_multi(sandbox: &Sandbox) -> Result<()> {
    let caller = Caller::new()?;
    let [other, one, another] = FUNCTIONS;
    let ids = [function_id(another)?, function_id(one)?];
    let others = [function_id(other)?];
    let here = TracingMultiAttach::to(When::Entry, &ids).cookies(&[2, 1]);
    let elsewhere = TracingMultiAttach::to(When::Entry, &others);
    let elsewhere: crate::ensure::suite::Call<'_> =
        &|how, path, program| how.run(elsewhere, path, program);
    check(&Subject {
        elsewhere: is_linux(7, 3)?.then_some((elsewhere, ANOTHER_HOOK)),
        again: kept_since(7, 3, true)?,
        ..Subject::of_programs(
            sandbox,
            || Counting::loaded(Loader::new(Hook::FENTRY_MULTI).in_this_process()),
            &|how, path, program| how.run(here, path, program),
            &|_| caller.call(),
            Way::Overlap,
        )?
    })
}

fn kprobe_multi(sandbox: &Sandbox) -> Result<()> {
    kprobe_multi_at(
        sandbox,
        KprobeMultiAttach::to_symbols(When::Entry, &SYMBOLS),
        // The kernel tells addresses, and no symbols.
        Again::Replaced { gap: false },
    )
}

fn kprobe_multi_by_address(sandbox: &Sandbox) -> Result<()> {
    let addresses = SYMBOLS.map(address_of);
    let [a, b, c] = addresses;
    let addresses = [a?, b?, c?];
    kprobe_multi_at(
        sandbox,
        KprobeMultiAttach::to_addresses(When::Entry, &addresses).cookies(&[3, 2, 1]),
        kept_since(6, 9, false)?,
    )
}

fn kprobe_multi_at(sandbox: &Sandbox, here: KprobeMultiAttach<'_>, again: Again) -> Result<()> {
    const FEWER: &[&CStr] = &[SYMBOLS[0]];
    let elsewhere = KprobeMultiAttach::to_symbols(When::Entry, FEWER);
    let elsewhere: crate::ensure::suite::Call<'_> =
        &|how, path, program| how.run(elsewhere, path, program);
    check(&Subject {
        elsewhere: is_linux(6, 6)?.then_some((elsewhere, ANOTHER_HOOK)),
        again,
        ..Subject::of_programs(
            sandbox,
            || Counting::loaded(Loader::new(Hook::KPROBE_MULTI).in_this_process()),
            &|how, path, program| how.run(here, path, program),
            &|_| {
                call_all();
                Ok(())
            },
            Way::Overlap,
        )?
    })
}

fn uprobe_multi(sandbox: &Sandbox) -> Result<()> {
    let here = [offset_of(first)?];
    let there = [offset_of(second)?];
    let to = |offsets| {
        UprobeMultiAttach::to(own_code::FILE, When::Entry, offsets).pid(std::process::id())
    };
    let elsewhere: crate::ensure::suite::Call<'_> =
        &|how, path, program| how.run(to(&there), path, program);
    check(&Subject {
        elsewhere: is_linux(6, 8)?.then_some((elsewhere, ANOTHER_HOOK)),
        again: kept_since(6, 8, false)?,
        ..Subject::of_programs(
            sandbox,
            || Counting::loaded(Loader::new(Hook::UPROBE_MULTI)),
            &|how, path, program| how.run(to(&here), path, program),
            &|_| {
                first(1);
                Ok(())
            },
            Way::Overlap,
        )?
    })
}

fn uprobe(sandbox: &Sandbox) -> Result<()> {
    let here = UprobeEvent::at(own_code::FILE, offset_of(first)?);
    let elsewhere = PerfEventAttach::to(here.on_return());
    let elsewhere: crate::ensure::suite::Call<'_> =
        &|how, path, program| how.run(elsewhere, path, program);
    check(&Subject {
        elsewhere: is_linux(6, 6)?.then_some((elsewhere, ANOTHER_HOOK)),
        // Whether it is for one process only, the kernel does not tell.
        again: Again::Replaced { gap: false },
        ..Subject::of_programs(
            sandbox,
            || Counting::loaded(Loader::new(Hook::KPROBE).in_this_process()),
            &|how, path, program| how.run(PerfEventAttach::to(here), path, program),
            &|_| {
                first(1);
                Ok(())
            },
            Way::Overlap,
        )?
    })
}

fn kprobe(sandbox: &Sandbox) -> Result<()> {
    let here = PerfEventAttach::to(KprobeEvent::at(SYMBOLS[0], 0)).cookie(7);
    let elsewhere = PerfEventAttach::to(KprobeEvent::at(SYMBOLS[0], 0)).cookie(8);
    let elsewhere: crate::ensure::suite::Call<'_> =
        &|how, path, program| how.run(elsewhere, path, program);
    check(&Subject {
        elsewhere: is_linux(6, 9)?.then_some((elsewhere, OTHER_OPTIONS)),
        again: kept_since(6, 9, false)?,
        ..Subject::of_programs(
            sandbox,
            || Counting::loaded(Loader::new(Hook::KPROBE).in_this_process()),
            &|how, path, program| how.run(here, path, program),
            &|_| {
                call_all();
                Ok(())
            },
            Way::Overlap,
        )?
    })
}

fn tracepoint(sandbox: &Sandbox) -> Result<()> {
    let tracefs = sandbox.tracefs()?;
    let event = |name| TracepointEvent::new("sched", name).tracefs(tracefs);
    let here = PerfEventAttach::to(event("sched_switch"));
    let elsewhere = PerfEventAttach::to(event("sched_process_exec"));
    let elsewhere: crate::ensure::suite::Call<'_> =
        &|how, path, program| how.run(elsewhere, path, program);
    check(&Subject {
        elsewhere: is_linux(6, 6)?.then_some((elsewhere, ANOTHER_HOOK)),
        // A tracepoint does not take one program twice.
        again: kept_since(6, 9, true)?,
        ..Subject::of_programs(
            sandbox,
            || Counting::program(Hook::TRACEPOINT),
            &|how, path, program| how.run(here, path, program),
            &|_| {
                for _ in 0..100 {
                    std::thread::sleep(std::time::Duration::from_micros(10));
                }
                Ok(())
            },
            Way::Overlap,
        )?
    })
}

fn run_iterator(link: &RawLink) -> Result<()> {
    link.create_iter()?.read_to_end(&mut Vec::new())?;
    Ok(())
}

fn iter(sandbox: &Sandbox) -> Result<()> {
    let (map, other) = (Map::array(4, 3)?, Map::array(4, 3)?);
    let here = IterAttach::over_map(&map);
    let elsewhere = IterAttach::over_map(&other);
    check(&Subject {
        elsewhere: Some((
            &|how, path, program| how.run(elsewhere, path, program),
            ANOTHER_HOOK,
        )),
        ..Subject::of_programs(
            sandbox,
            || Counting::loaded(Loader::new(Hook::ITERATOR).function("bpf_iter_bpf_map_elem")?),
            &|how, path, program| how.run(here, path, program),
            &run_iterator,
            Way::InPlace,
        )?
    })
}

fn struct_ops(sandbox: &Sandbox) -> Result<()> {
    let name = names::object_name("cc");
    let load = || {
        let counter = CounterMap::new()?;
        let control = CongestionControl::counting(&name, &counter)?;
        anyhow::Ok(Counting::map(control.into(), counter))
    };
    check(&Subject {
        sandbox,
        name: names::object_name("ops"),
        first: load()?,
        second: load()?,
        misfit: Counting::map(Map::array(4, 1)?.into(), CounterMap::new()?),
        here: &|how, path, map| Ok(how.of(StructOpsAttach::of(map), path).run()?.into()),
        elsewhere: None,
        event: &|_| {
            let [here, there] = connect()?;
            match set_tcp_congestion(&here, &name) {
                Ok(()) => {}
                Err(rustix::io::Errno::NOENT) => return Ok(()),
                Err(error) => return Err(error).context("choosing the congestion control"),
            }
            exchange(&here, &there)?;
            exchange(&there, &here)
        },
        way: Way::OnlyInPlace,
        again: Again::Kept,
    })
}
