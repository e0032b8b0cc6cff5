//! `perf_event` links over restarts and upgrades.

use anyhow::Result;
use bpf_link_tests::{Hook, Loader, Sandbox, own_code};
use bpf_link_typed::{KprobeEvent, PerfEventAttach, TracepointEvent, UprobeEvent};

use crate::ensure::places::{ANOTHER_HOOK, OTHER_OPTIONS, is_linux, kept_since};
use crate::ensure::suite::{Again, Call, Subject, Way, check};
use crate::functions::kernel::{SYMBOLS, call_all};
use crate::functions::own::{first, offset_of};
use crate::harness::{Need, Test, test};
use crate::suites::conformance::Counting;

const UPROBES: &[Need] = &[Need::Function("uprobe_mmap")];
const KPROBES: &[Need] = &[Need::Function("register_kprobe")];

pub(crate) const TESTS: &[Test] = &[
    test!(kprobe).needs(Need::PERF_EVENT).also_needs(KPROBES),
    test!(tracepoint).needs(Need::PERF_EVENT),
    test!(uprobe)
        .needs(Need::PERF_EVENT)
        .alone()
        .also_needs(UPROBES),
];

fn uprobe(sandbox: &Sandbox) -> Result<()> {
    let here = UprobeEvent::at(own_code::FILE, offset_of(first)?);
    let elsewhere = PerfEventAttach::to(here.clone().on_return());
    let elsewhere: Call<'_> = &|how, path, program| how.run(elsewhere.clone(), path, program);
    check(&Subject {
        elsewhere: is_linux(6, 6)?.then_some((elsewhere, ANOTHER_HOOK)),
        // Whether it is for one process only, the kernel does not tell.
        again: Again::Replaced { gap: false },
        ..Subject::of_programs(
            sandbox,
            || Counting::loaded(Loader::new(Hook::KPROBE).in_this_process()),
            &|how, path, program| how.run(PerfEventAttach::to(here.clone()), path, program),
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
    let elsewhere: Call<'_> = &|how, path, program| how.run(elsewhere.clone(), path, program);
    check(&Subject {
        elsewhere: is_linux(6, 9)?.then_some((elsewhere, OTHER_OPTIONS)),
        again: kept_since(6, 9, false)?,
        ..Subject::of_programs(
            sandbox,
            || Counting::loaded(Loader::new(Hook::KPROBE).in_this_process()),
            &|how, path, program| how.run(here.clone(), path, program),
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
    let elsewhere: Call<'_> = &|how, path, program| how.run(elsewhere.clone(), path, program);
    check(&Subject {
        elsewhere: is_linux(6, 6)?.then_some((elsewhere, ANOTHER_HOOK)),
        // A tracepoint does not take one program twice.
        again: kept_since(6, 9, true)?,
        ..Subject::of_programs(
            sandbox,
            || Counting::program(Hook::TRACEPOINT),
            &|how, path, program| how.run(here.clone(), path, program),
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
