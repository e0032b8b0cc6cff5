//! What the kernel's `bpf_cookie`, `missed`, `kprobe_multi_test`, `uprobe_multi_test` and
//! `tracing_multi` assert.

use anyhow::{Context as _, Result, ensure};
use bpf_link_sys::BPF_F_SLEEPABLE;
use bpf_link_tests::asm::{self, Register};
use bpf_link_tests::{CounterMap, Hook, Loader, Program, Sandbox, own_code};
use bpf_link_typed::{
    BtfTypeId, Error, KprobeEvent, KprobeMultiAttach, PerfEventAttach, PerfEventDetails,
    TracingAttach, TracingHook, TracingLink, TracingMultiAttach, UprobeEvent, UprobeMultiAttach,
    attach::When,
};

use crate::fixture::ENOTSUPP;
use crate::fixture::attaching::{ensure_error, since};
use crate::functions::kernel::{CALLS, SYMBOLS, call_all};
use crate::functions::module::{self as module_functions, ModuleBtf, make_a_pair};
use crate::functions::own::{counters, offset_of, probed};
use crate::functions::test::{
    CHANGEABLE, FUNCTION, ask_for_a_process_group, call_test_functions, fill, function_id,
};
use crate::harness::{Need, Test, test};

const KPROBES: &[Need] = &[Need::Function("register_kprobe")];
/// That a module shows its types, since Linux 5.11.
const MODULE_TYPES: &[Need] = &[Need::Member("bpf_btf_info", "kernel_btf")];
/// That a program writes its context, and so the registers, since Linux 6.18.
const WRITES: &[Need] = &[Need::Member("bpf_prog_aux", "kprobe_write_ctx")];

pub(crate) const TESTS: &[Test] = &[
    test!(a_breakpoint_is_no_place_for_a_probe)
        .alone()
        .needs(Need::UPROBE_MULTI)
        .also_needs(&[Need::Machine("x86_64")]),
    test!(a_function_of_a_module)
        .needs(Need::TRACING)
        .also_needs(MODULE_TYPES),
    test!(a_full_function_takes_no_more).needs(Need::TRACING),
    test!(a_full_function_undoes_the_rest).needs(Need::TRACING_MULTI),
    test!(a_probe_that_is_missed)
        .alone()
        .needs(Need::PERF_EVENT)
        .also_needs(KPROBES)
        .also_needs(&[Need::Linux(6, 7)]),
    test!(a_program_that_sleeps).needs(Need::KPROBE_MULTI),
    test!(a_program_that_sleeps_on_many).needs(Need::TRACING_MULTI),
    test!(a_program_that_writes_registers)
        .needs(Need::KPROBE_MULTI)
        .also_needs(WRITES),
    test!(cookies_get_to_programs)
        .needs(Need::TRACING)
        .also_needs(&[Need::Linux(5, 19)]),
    test!(cookies_get_to_security_hooks)
        .needs(Need::LSM)
        .also_needs(&[Need::Linux(5, 19), Need::SecurityModule("bpf")]),
    test!(functions_of_a_module).needs(Need::TRACING_MULTI),
    test!(one_counter_to_a_place)
        .alone()
        .needs(Need::UPROBE_MULTI),
    test!(sessions_that_end_at_the_entry)
        .needs(Need::KPROBE_MULTI)
        .also_needs(&[Need::Constant(
            "bpf_attach_type",
            "BPF_TRACE_KPROBE_SESSION",
        )]),
    test!(sessions_of_a_file_that_end_at_the_entry)
        .alone()
        .needs(Need::UPROBE_MULTI)
        .also_needs(&[Need::Constant(
            "bpf_attach_type",
            "BPF_TRACE_UPROBE_SESSION",
        )]),
];

const OTHER_FUNCTION: &str = "bpf_fentry_test2";

/// Each run adds the cookie; a session runs twice.
fn check_cookie(
    (hook, of): (Hook, TracingHook),
    function: &str,
    event: fn() -> Result<()>,
    runs: u64,
) -> Result<()> {
    const COOKIE: u64 = 0x0102_0304_0506_0708;
    let sum = CounterMap::new()?;
    let loader = Loader::new(hook).function(function)?.in_this_process();
    let program = loader.adding_cookies(&sum).passing()?;
    let _link = TracingAttach::to(of).cookie(COOKIE).attach(&program)?;
    event()?;
    ensure!(sum.read()? == runs * COOKIE, "{of:?}: {:#x}", sum.read()?);
    Ok(())
}

fn cookies_get_to_programs(_sandbox: &Sandbox) -> Result<()> {
    let entry = (Hook::FENTRY, TracingHook::Fentry);
    check_cookie(entry, FUNCTION, call_test_functions, 1)?;
    let exit = (Hook::FEXIT, TracingHook::Fexit);
    check_cookie(exit, FUNCTION, call_test_functions, 1)?;
    let value = (Hook::MODIFY_RETURN, TracingHook::ModifyReturn);
    check_cookie(value, CHANGEABLE, ask_for_a_process_group, 1)?;
    let sessions = Need::Constant("bpf_attach_type", "BPF_TRACE_FSESSION");
    if sessions.missing()?.is_none() {
        let session = (Hook::FSESSION, TracingHook::Fsession);
        check_cookie(session, FUNCTION, call_test_functions, 2)?;
    }
    Ok(())
}

fn cookies_get_to_security_hooks(_sandbox: &Sandbox) -> Result<()> {
    let hook = (Hook::LSM, TracingHook::LsmMac);
    check_cookie(hook, "bpf_lsm_task_getpgid", ask_for_a_process_group, 1)
}

fn a_function_of_a_module(_sandbox: &Sandbox) -> Result<()> {
    let module = ModuleBtf::open()?;
    let [name, _] = module_functions::FUNCTIONS;
    let function = module.function(name)?;
    let counter = CounterMap::new()?;
    let loader = Loader::new(Hook::FENTRY)
        .target(&module)
        .btf_id(function.get());
    let program = loader.in_this_process().counting(&counter).passing()?;
    let link = TracingAttach::to(TracingHook::Fentry).attach(&program)?;
    make_a_pair()?;
    ensure!(counter.read()? == 2, "{}", counter.read()?);
    // Linux tells the target since 5.13.
    if let Some(target) = since(5, 13, module.id.get())? {
        let info = link.info()?;
        ensure!(info.target_obj_id == Some(target), "{info:?}");
        ensure!(info.target_btf_id == Some(function), "{info:?}");
    }
    drop(link);
    make_a_pair()?;
    ensure!(counter.read()? == 2);
    Ok(())
}

fn functions_of_a_module(_sandbox: &Sandbox) -> Result<()> {
    let module = ModuleBtf::open()?;
    let [setup, init] = module_functions::FUNCTIONS;
    let mut ids = [module.function(setup)?, module.function(init)?];
    let sum = CounterMap::new()?;
    let program = Loader::new(Hook::FENTRY_MULTI)
        .target(&module)
        .in_this_process()
        .adding_cookies(&sum)
        .passing()?;
    let to = TracingMultiAttach::to(When::Entry, ids).cookies(&[10, 1]);
    drop(to.attach(&program)?);
    // By name they are looked up in the module that the program was loaded for.
    let to = TracingMultiAttach::to(When::Entry, [setup, init]).cookies(&[10, 1]);
    let link = to.attach(&program)?;
    make_a_pair()?;
    ensure!(sum.read()? == 22, "{}", sum.read()?);
    let info = link.info()?;
    ids.sort_unstable();
    let found = info.ids.map(|ids| {
        ids.into_iter()
            .map(BtfTypeId::new)
            .collect::<Option<Vec<_>>>()
    });
    ensure!(info.btf_obj_id == since(7, 3, module.id)?);
    ensure!(found == since(7, 3, Some(ids.to_vec()))?, "{found:?}");
    drop(link);
    make_a_pair()?;
    ensure!(sum.read()? == 22);
    Ok(())
}

/// A probe on what the program of another probe calls, which the kernel does not run inside of
/// that.
fn a_probe_that_is_missed(_sandbox: &Sandbox) -> Result<()> {
    // What every program calls that looks which process it runs in.
    let inner = KprobeEvent::at(c"bpf_get_ns_current_pid_tgid", 0);
    let (inside, outside) = (CounterMap::new()?, CounterMap::new()?);
    let program = Program::counting(Hook::KPROBE, &inside)?;
    let missed = PerfEventAttach::to(inner).attach(&program)?;
    let [symbol, ..] = SYMBOLS;
    let [call, ..] = CALLS;
    let program = Loader::new(Hook::KPROBE).in_this_process();
    let program = program.counting(&outside).passing()?;
    let _link = PerfEventAttach::to(KprobeEvent::at(symbol, 0)).attach(&program)?;
    let count = || {
        let PerfEventDetails::Kprobe(probe) = missed.info()?.event else {
            anyhow::bail!("it is no kprobe");
        };
        probe.missed.context("the kernel does not say")
    };
    ensure!(count()? == 0);
    call();
    ensure!(outside.read()? == 1 && inside.read()? == 0);
    ensure!(count()? == 1, "it was missed {} times", count()?);
    Ok(())
}

fn a_program_that_sleeps(_sandbox: &Sandbox) -> Result<()> {
    let loader = Loader::new(Hook::KPROBE_MULTI).flags(BPF_F_SLEEPABLE);
    let program = loader.passing()?;
    let attached = KprobeMultiAttach::to_symbols(When::Entry, &SYMBOLS).attach(&program);
    // Earlier kernels do not look, unless it was backported.
    if attached.is_ok() && Need::Before(7, 0).missing()?.is_none() {
        return Ok(());
    }
    ensure_error!(
        attached,
        Error::Link(bpf_link::Error::Command(_)) | Error::AttachTypeMismatch { .. },
        Some(libc::EINVAL),
        &SYMBOLS.map(|symbol| symbol.to_str().unwrap_or_default())
    );
    Ok(())
}

/// Only where a function may sleep, as those for tests may.
fn a_program_that_sleeps_on_many(_sandbox: &Sandbox) -> Result<()> {
    let loader = Loader::new(Hook::FENTRY_MULTI).flags(BPF_F_SLEEPABLE);
    let program = loader.passing()?;
    let (sleeping, other) = (function_id(FUNCTION)?, function_id("vfs_read")?);
    ensure_error!(
        TracingMultiAttach::to(When::Entry, [sleeping, other]).attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EINVAL),
        &[&format!("BTF types {sleeping}, {other}")]
    );
    drop(TracingMultiAttach::to(When::Entry, [sleeping]).attach(&program)?);
    Ok(())
}

/// Only in user space it may.
fn a_program_that_writes_registers(_sandbox: &Sandbox) -> Result<()> {
    let load = |hook| {
        Loader::new(hook).running(&[
            asm::set(Register::R2, 1),
            asm::store(Register::R1, 0, Register::R2),
            asm::set(Register::R0, 0),
            asm::exit(),
        ])
    };
    let many = load(Hook::KPROBE_MULTI)?;
    ensure_error!(
        KprobeMultiAttach::to_symbols(When::Entry, &SYMBOLS).attach(&many),
        Error::Link(bpf_link::Error::Command(_)) | Error::AttachTypeMismatch { .. },
        Some(libc::EINVAL),
        &SYMBOLS.map(|symbol| symbol.to_str().unwrap_or_default())
    );
    let [symbol, ..] = SYMBOLS;
    let one = load(Hook::KPROBE)?;
    ensure_error!(
        PerfEventAttach::to(KprobeEvent::at(symbol, 0)).attach(&one),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EINVAL),
        &[symbol.to_str()?]
    );
    let at = UprobeEvent::at(own_code::FILE, offset_of(never_called)?);
    drop(PerfEventAttach::to(at).attach(&one)?);
    Ok(())
}

/// What a session returns at the entry says whether it runs at the return.
fn sessions_that_end_at_the_entry(_sandbox: &Sandbox) -> Result<()> {
    for (returned, runs) in [(0, 6), (1, 3)] {
        let counter = CounterMap::new()?;
        let loader = Loader::new(Hook::KPROBE_SESSION).in_this_process();
        let program = loader.counting(&counter).returning(returned)?;
        let to = KprobeMultiAttach::to_symbols(When::Session, &SYMBOLS);
        let _link = to.attach(&program)?;
        call_all();
        ensure!(counter.read()? == runs, "{returned}: {}", counter.read()?);
    }
    Ok(())
}

probed!(probed = 11, never_called = 12);

fn sessions_of_a_file_that_end_at_the_entry(_sandbox: &Sandbox) -> Result<()> {
    let offsets = [offset_of(probed)?];
    for (returned, runs) in [(0, 2), (1, 1)] {
        let counter = CounterMap::new()?;
        let loader = Loader::new(Hook::UPROBE_SESSION).in_this_process();
        let program = loader.counting(&counter).returning(returned)?;
        let to = UprobeMultiAttach::to(own_code::FILE, When::Session, offsets);
        let _link = to.attach(&program)?;
        probed(1);
        ensure!(counter.read()? == runs, "{returned}: {}", counter.read()?);
    }
    Ok(())
}

/// Between functions the compiler puts what stops a processor that gets there: a probe is one more
/// of those.
fn a_breakpoint_is_no_place_for_a_probe(_sandbox: &Sandbox) -> Result<()> {
    const BREAKPOINTS: [u8; 3] = [0xcc; 3];
    let code = std::fs::read(own_code::FILE)?;
    let start = usize::try_from(offset_of(never_called)?)?;
    let behind = code.get(start..).context("it is not in the file")?;
    let found = behind.windows(3).position(|bytes| bytes == BREAKPOINTS);
    let breakpoint = start + found.context("there is nothing between functions")?;
    let program = Program::passing(Hook::UPROBE_MULTI)?;
    let offsets = [offset_of(never_called)?, u64::try_from(breakpoint)?];
    let [first, _] = &offsets;
    let to = |offsets: Vec<u64>| UprobeMultiAttach::to(own_code::FILE, When::Entry, offsets);
    let refused = to(offsets.to_vec())
        .attach(&program)
        .err()
        .context("not refused")?;
    ensure!(refused.errno() == Some(ENOTSUPP), "{refused:?}");
    drop(to(vec![*first]).attach(&program)?);
    Ok(())
}

fn one_counter_to_a_place(_sandbox: &Sandbox) -> Result<()> {
    let offset = offset_of(never_called)?;
    let [one, two, _] = counters()?;
    let program = Program::passing(Hook::UPROBE_MULTI)?;
    let attach = |offsets: &[u64], counters: &[u64]| {
        let to = UprobeMultiAttach::to(own_code::FILE, When::Entry, offsets);
        to.ref_ctr_offsets(counters).attach(&program)
    };
    ensure_error!(
        attach(&[offset, offset], &[one, two]),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EINVAL),
        &[&format!("{} at {offset:#x}, {offset:#x}", own_code::FILE)]
    );
    let _link = attach(&[offset], &[one])?;
    ensure_error!(
        attach(&[offset], &[two]),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EINVAL),
        &[&format!("{} at {offset:#x}", own_code::FILE)]
    );
    let _again = attach(&[offset], &[one])?;
    Ok(())
}

fn fill_entry(function: &str) -> Result<(Vec<(Program, TracingLink)>, Error)> {
    fill(
        || Loader::new(Hook::FENTRY).function(function)?.passing(),
        |program| TracingAttach::to(TracingHook::Fentry).attach(program),
    )
}

fn a_full_function_takes_no_more(_sandbox: &Sandbox) -> Result<()> {
    let (links, error) = fill_entry("bpf_fentry_test4")?;
    ensure!(error.errno() == Some(libc::E2BIG), "{error:?}");
    ensure!(links.len() >= 20, "{} are all", links.len());
    Ok(())
}

fn a_full_function_undoes_the_rest(_sandbox: &Sandbox) -> Result<()> {
    let (links, _) = fill_entry("bpf_fentry_test5")?;
    let program = Program::passing(Hook::FENTRY_MULTI)?;
    let full = function_id("bpf_fentry_test5")?;
    let ids = [function_id(FUNCTION)?, full, function_id(OTHER_FUNCTION)?];
    ensure_error!(
        TracingMultiAttach::to(When::Entry, ids).attach(&program),
        Error::HookTaken { .. },
        Some(libc::E2BIG),
        &[&format!("BTF type {full}")]
    );
    drop(links);
    // Were it on one of them still, it would be there already.
    drop(TracingMultiAttach::to(When::Entry, ids).attach(&program)?);
    Ok(())
}
