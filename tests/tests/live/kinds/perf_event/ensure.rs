//! `perf_event` links over restarts and upgrades.

use anyhow::Result;
use bpf_link_tests::{Hook, Loader, Sandbox, own_code};
use bpf_link_typed::{KernelFunctions, KprobeEvent, PerfEventAttach, TracepointEvent, UprobeEvent};

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
    test!(kprobe_on_a_system_call)
        .needs(Need::PERF_EVENT)
        .also_needs(KPROBES),
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
    check_kprobe(sandbox, || KprobeEvent::at(SYMBOLS[0], 0))
}

fn kprobe_on_a_system_call(sandbox: &Sandbox) -> Result<()> {
    let getuid = KernelFunctions::all()?.syscall("getuid")?;
    check_kprobe(sandbox, || KprobeEvent::at_function(&getuid))
}

/// With a kprobe on a function that [`call_all`] calls.
fn check_kprobe<'a>(sandbox: &Sandbox, event: impl Fn() -> KprobeEvent<'a>) -> Result<()> {
    let to = |cookie| PerfEventAttach::to(event()).cookie(cookie);
    let elsewhere: Call<'_> = &|how, path, program| how.run(to(8), path, program);
    check(&Subject {
        elsewhere: is_linux(6, 9)?.then_some((elsewhere, OTHER_OPTIONS)),
        again: kept_since(6, 9, false)?,
        ..Subject::of_programs(
            sandbox,
            || Counting::loaded(Loader::new(Hook::KPROBE).in_this_process()),
            &|how, path, program| how.run(to(7), path, program),
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
