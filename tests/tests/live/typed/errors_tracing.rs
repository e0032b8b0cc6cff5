//! Attaching through the types of the kinds: refusals of tracepoints, functions and probes that their documentation lists, and that the
//! files of attaching do not come by.

use std::fs::File;

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::asm::{self, Register};
use bpf_link_tests::{
    CounterMap, Hook, KernelBtf, Loader, Program, Replaceable, Sandbox, own_code,
};
use bpf_link_typed::{
    BtfTypeId, Error, FileRef, KprobeMultiAttach, PerfEventAttach, RawTracepointAttach,
    TracepointEvent, TracingAttach, TracingHook, TracingMultiAttach, UprobeMultiAttach, When,
};

use crate::fixture::as_nobody;
use crate::fixture::attaching::ensure_error;
use crate::functions::kernel::{SYMBOLS, address_of};
use crate::functions::test::{FUNCTION, function_id};
use crate::harness::{Need, Test, test};
use crate::typed::errors::{only_a_path, without};

pub(crate) const TESTS: &[Test] = &[
    test!(kprobe_multi_by_address).needs(Need::KPROBE_MULTI),
    test!(kprobe_multi_without).needs(&[Need::Without(&Need::Function("register_fprobe"))]),
    test!(perf_event_full).needs(Need::PERF_EVENT),
    test!(perf_event_without).needs(without!("bpf_link_type", "BPF_LINK_TYPE_PERF_EVENT")),
    test!(raw_tracepoint),
    test!(raw_tracepoint_of_another_kind).needs(Need::TRACING),
    test!(tracing).needs(Need::TRACING),
    test!(tracing_multi_of_what_returns_a_structure).needs(Need::TRACING_MULTI),
    test!(tracing_multi_untraceable).needs(Need::TRACING_MULTI),
    test!(tracing_multi_without).needs(without!("bpf_link_type", "BPF_LINK_TYPE_TRACING_MULTI")),
    test!(uprobe_multi).needs(Need::UPROBE_MULTI),
    test!(uprobe_multi_without).needs(without!("bpf_attach_type", "BPF_TRACE_UPROBE_MULTI")),
];

fn kprobe_multi_by_address(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::KPROBE_MULTI)?;
    let [symbol, ..] = SYMBOLS;
    let address = address_of(symbol)?;
    let inside =
        KprobeMultiAttach::to_addresses(When::Entry, &[address, address + 1]).attach(&program);
    let refused = inside.err().context("it was not refused")?;
    // Linux 6.12 and 7.3 do not agree.
    let known = [libc::EINVAL, libc::ENOENT];
    ensure!(
        matches!(refused, Error::Link(bpf_link::Error::Command(_))),
        "{refused:?}"
    );
    ensure!(
        refused.errno().is_some_and(|errno| known.contains(&errno)),
        "{refused:?}"
    );
    let too_many = vec![address; (1 << 20) + 1];
    ensure_error!(
        KprobeMultiAttach::to_addresses(When::Entry, &too_many).attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::E2BIG)
    );
    Ok(())
}

/// `EOPNOTSUPP` where the kernel knows the kind and was built without it.
fn kprobe_multi_without(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::KPROBE_MULTI)?;
    let known = Need::Constant("bpf_link_type", "BPF_LINK_TYPE_KPROBE_MULTI");
    let errno = match known.missing()? {
        Some(_) => libc::EINVAL,
        None => libc::EOPNOTSUPP,
    };
    ensure_error!(
        KprobeMultiAttach::to_symbols(When::Entry, &SYMBOLS).attach(&program),
        Error::Link(bpf_link::Error::UnsupportedByKernel(_)),
        Some(errno)
    );
    Ok(())
}

fn perf_event_full(sandbox: &Sandbox) -> Result<()> {
    let tracefs = sandbox.tracefs()?;
    let event = TracepointEvent::new("syscalls", "sys_enter_getppid").tracefs(tracefs);
    let to = PerfEventAttach::to(event);
    let programs: Vec<Program> = std::iter::repeat_with(|| Program::passing(Hook::TRACEPOINT))
        .take(64)
        .collect::<Result<_>>()?;
    let links: Vec<_> = programs
        .iter()
        .map(|program| to.attach(program))
        .collect::<Result<_, _>>()?;
    let one_more = Program::passing(Hook::TRACEPOINT)?;
    ensure_error!(to.attach(&one_more), Error::HookTaken(_), Some(libc::E2BIG));
    drop(links);
    to.attach(&one_more)?;
    let faults = u64::from(bpf_link_sys::PERF_COUNT_SW_PAGE_FAULTS);
    let program = Program::passing(Hook::PERF_EVENT)?;
    as_nobody(|| {
        let of_all = bpf_link_typed::CounterEvent::new(bpf_link_sys::PERF_TYPE_SOFTWARE, faults, 1);
        let refused = PerfEventAttach::to(of_all.processor(0)).attach(&program);
        let refused = refused.err().context("it was not refused")?;
        ensure!(
            matches!(&refused, Error::Link(bpf_link::Error::PermissionDenied(_))),
            "{refused:?}"
        );
        Ok(())
    })
}

fn perf_event_without(_sandbox: &Sandbox) -> Result<()> {
    let event = bpf_link_tests::PerfEvent::page_fault()?;
    let program = Program::passing(Hook::PERF_EVENT)?;
    ensure_error!(
        PerfEventAttach::to_event(&event).attach(&program),
        Error::Link(bpf_link::Error::UnsupportedByKernel(_) | bpf_link::Error::Command(_)),
        Some(libc::EINVAL)
    );
    Ok(())
}

fn raw_tracepoint(_sandbox: &Sandbox) -> Result<()> {
    let to = RawTracepointAttach::to(c"sys_enter");
    // It uses the twelfth argument.
    let greedy = Loader::new(Hook::RAW_TRACEPOINT).running(&[
        asm::load(Register::R2, Register::R1, 11 * 8),
        asm::set(Register::R0, 0),
        asm::exit(),
    ])?;
    for program in [&greedy, &Program::passing(Hook::XDP)?] {
        ensure_error!(
            to.attach(program),
            Error::Link(bpf_link::Error::Command(_)),
            Some(libc::EINVAL)
        );
    }
    Ok(())
}

fn raw_tracepoint_of_another_kind(_sandbox: &Sandbox) -> Result<()> {
    let program = Loader::new(Hook::FENTRY)
        .function("bpf_fentry_test1")?
        .passing()?;
    let refused = RawTracepointAttach::to_load_time_target().attach(&program);
    let Err(Error::WrongKind { found, .. }) = refused else {
        anyhow::bail!("{refused:?}");
    };
    ensure!(found == bpf_link_typed::LinkKind::Tracing);
    Ok(())
}

/// A function with an extension is not traced, and one that is traced is not extended.
fn tracing(_sandbox: &Sandbox) -> Result<()> {
    let runs = CounterMap::new()?;
    let target = Replaceable::new(&runs)?;
    let function = BtfTypeId::new(Replaceable::FUNCTION).context("it is 0")?;
    let (extension, on_entry) = (
        target.extension().passing()?,
        target.tracer(Hook::FENTRY).passing()?,
    );
    for (map, errno) in [
        (File::open("/proc/self/comm")?, libc::EINVAL),
        (only_a_path("/proc/self/comm")?, libc::EBADF),
    ] {
        ensure_error!(
            TracingAttach::extension_of(&map, function).attach(&extension),
            Error::Link(bpf_link::Error::Command(_)),
            Some(errno)
        );
    }
    let traced = TracingAttach::to(TracingHook::Fentry).attach(&on_entry)?;
    ensure_error!(
        TracingAttach::extension_of(&target, function).attach(&extension),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EBUSY)
    );
    drop(traced);
    let _extended = TracingAttach::extension_of(&target, function).attach(&extension)?;
    let another = target.tracer(Hook::FEXIT).passing()?;
    ensure_error!(
        TracingAttach::to(TracingHook::Fexit).attach(&another),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EBUSY)
    );
    Ok(())
}

/// The kernel lists what can be traced; of the rest some is described in BTF all the same.
fn tracing_multi_untraceable(sandbox: &Sandbox) -> Result<()> {
    let list = sandbox.tracefs()?.join("available_filter_functions");
    let list = std::fs::read_to_string(&list).context("the list of functions")?;
    let traceable: std::collections::HashSet<&str> = list.lines().collect();
    let symbols = std::fs::read_to_string("/proc/kallsyms")?;
    let program = Program::passing(Hook::FENTRY_MULTI)?;
    let mut untraceable = 0;
    for line in symbols.lines() {
        let mut words = line.split_ascii_whitespace().skip(1);
        let (Some("T"), Some(name), None) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        if traceable.contains(name) {
            continue;
        }
        let Some(id) = KernelBtf::get()?.function(name)?.and_then(BtfTypeId::new) else {
            continue;
        };
        let refused = TracingMultiAttach::to(When::Entry, &[id]).attach(&program);
        let refused = refused.err().with_context(|| name.to_owned())?;
        match refused.errno() {
            Some(libc::ENOENT) => untraceable += 1,
            // It is on a list of those that would be the end of the kernel, or returns a structure.
            Some(libc::EINVAL) => {}
            _ => anyhow::bail!("{name}: {refused:?}"),
        }
        if untraceable == 3 {
            return Ok(());
        }
    }
    anyhow::bail!("{untraceable} were found")
}

/// It returns a `struct timespec64`.
fn tracing_multi_of_what_returns_a_structure(_sandbox: &Sandbox) -> Result<()> {
    let ids = [function_id("current_time")?];
    for (when, hook) in [
        (When::Entry, Hook::FENTRY_MULTI),
        (When::Return, Hook::FEXIT_MULTI),
    ] {
        let program = Program::passing(hook)?;
        ensure_error!(
            TracingMultiAttach::to(when, &ids).attach(&program),
            Error::Link(bpf_link::Error::Command(_)),
            Some(libc::EINVAL)
        );
    }
    Ok(())
}

fn tracing_multi_without(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::KPROBE)?;
    let ids = [function_id(FUNCTION)?];
    ensure_error!(
        TracingMultiAttach::to(When::Entry, &ids).attach(&program),
        Error::Link(bpf_link::Error::UnsupportedByKernel(_) | bpf_link::Error::Command(_)),
        Some(libc::EINVAL)
    );
    Ok(())
}

fn uprobe_multi(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::UPROBE_MULTI)?;
    for offsets in [&[][..], &[1 << 40]] {
        ensure_error!(
            UprobeMultiAttach::to(own_code::FILE, When::Entry, offsets).attach(&program),
            Error::Link(bpf_link::Error::Command(_)),
            Some(libc::EINVAL)
        );
    }
    let other = Program::passing(Hook::KPROBE)?;
    ensure_error!(
        UprobeMultiAttach::to(own_code::FILE, When::Entry, &[64]).attach(&other),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EINVAL)
    );
    if Need::Linux(7, 2).missing()?.is_none() {
        let path = only_a_path(own_code::FILE)?;
        ensure_error!(
            UprobeMultiAttach::to(FileRef::fd(&path), When::Entry, &[64]).attach(&program),
            Error::Link(bpf_link::Error::Command(_)),
            Some(libc::EBADF)
        );
    }
    Ok(())
}

fn uprobe_multi_without(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::UPROBE_MULTI)?;
    ensure_error!(
        UprobeMultiAttach::to(own_code::FILE, When::Entry, &[64]).attach(&program),
        Error::Link(bpf_link::Error::UnsupportedByKernel(_)),
        Some(libc::EINVAL)
    );
    Ok(())
}
