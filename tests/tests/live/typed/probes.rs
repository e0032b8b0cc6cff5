//! Info: each field of the kinds that are about tracepoints, functions and perf events, as its type has it.

use std::ffi::{CStr, CString};
use std::os::fd::AsFd;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{
    KprobeMultiArgs, LinkCreate, PerfEventArgs, PerfEventConfig, RawLink, RawTracepointOpen,
    TracingArgs, TracingMultiArgs, UprobeMultiArgs,
};
use bpf_link_sys::{PERF_COUNT_SW_PAGE_FAULTS, PERF_TYPE_SOFTWARE};
use bpf_link_tests::{Hook, KernelBtf, Loader, PerfEvent, ProbeAt, Program, Sandbox};
use bpf_link_typed::{
    AttachType, BtfTypeId, Hideable, InfoBuf, KprobeMultiFlags, KprobeMultiLink, PerfEventDetails,
    PerfEventLink, RawTracepointLink, TracingLink, TracingMultiLink, UprobeMultiFlags,
    UprobeMultiLink,
};

use crate::fixture::as_nobody;
use crate::harness::{Need, Test, test};
use crate::typed::info::{id_of, request, since};

pub(crate) const TESTS: &[Test] = &[
    test!(kprobe_multi).needs(Need::KPROBE_MULTI),
    test!(perf_event).needs(Need::PERF_EVENT),
    test!(perf_event_of_a_kprobe)
        .needs(Need::PERF_EVENT)
        .also_needs(&[Need::Function("register_kprobe")]),
    test!(perf_event_by_address)
        .needs(Need::PERF_EVENT)
        .also_needs(&[Need::Function("register_kprobe")]),
    test!(perf_event_of_a_uprobe)
        .alone()
        .needs(Need::PERF_EVENT)
        .also_needs(&[Need::Function("uprobe_mmap")]),
    test!(raw_tracepoint),
    test!(tracing).needs(Need::TRACING),
    test!(tracing_multi).needs(Need::TRACING_MULTI),
    test!(uprobe_multi).alone().needs(Need::UPROBE_MULTI),
];

/// In both halves, and more than fits into one.
const COOKIE: u64 = 0x0123_4567_89ab_cdef;

fn raw_tracepoint(_sandbox: &Sandbox) -> Result<()> {
    let with_cookie = Need::Linux(6, 10).missing()?.is_none();
    let mut buf = InfoBuf::new();
    for cookie in [0, COOKIE] {
        let program = Program::passing(Hook::RAW_TRACEPOINT)?;
        let mut request = RawTracepointOpen::named(&program, c"sched_switch")?;
        if with_cookie {
            request = request.cookie(cookie);
        }
        let link = RawTracepointLink::try_from(RawLink::open_raw_tracepoint(&request)?)?;
        let info = link.info_in(&mut buf)?;
        ensure!(info.id == link.id()? && info.program_id == id_of(&program)?);
        ensure!(info.name == Some(c"sched_switch"), "{info:?}");
        ensure!(info.cookie == since(6, 17, cookie)?, "{info:?}");
        ensure!(info.is_defunct() == Some(false));
        ensure!(info.into_owned() == link.info()?);
    }
    // A program with types makes the same kind.
    let program = Loader::new(Hook::TYPED_RAW_TRACEPOINT)
        .tracepoint("sched_process_fork")?
        .returning(0)?;
    let request = RawTracepointOpen::load_time_target(&program);
    let link = RawTracepointLink::try_from(RawLink::open_raw_tracepoint(&request)?)?;
    ensure!(link.info_in(&mut buf)?.name == Some(c"sched_process_fork"));
    Ok(())
}

fn tracing(_sandbox: &Sandbox) -> Result<()> {
    let function = "bpf_fentry_test1";
    let id = KernelBtf::get()?.function(function)?.context(function)?;
    let program = Loader::new(Hook::FENTRY).function(function)?.returning(0)?;
    let (link, cookie) = if Need::Linux(5, 19).missing()?.is_none() {
        let args = TracingArgs::new().cookie(COOKIE);
        let request = LinkCreate::new(&program, AttachType::TraceFentry).args(args);
        (RawLink::create(&request)?, COOKIE)
    } else {
        let request = RawTracepointOpen::load_time_target(&program);
        (RawLink::open_raw_tracepoint(&request)?, 0)
    };
    let info = TracingLink::try_from(link)?.info()?;
    ensure!(info.program_id == id_of(&program)? && info.attach_type == AttachType::TraceFentry);
    ensure!(info.target_btf_id == since(5, 13, id)?.and_then(BtfTypeId::new));
    // The kernel's own types, of which every kernel has one object.
    ensure!(info.target_obj_id.is_some() == since(5, 13, ())?.is_some());
    ensure!(info.cookie == since(6, 17, cookie)?, "{info:?}");
    ensure!(info.is_defunct() == Some(false));
    Ok(())
}

/// What is said of a link on this event, with a cookie.
fn perf_info(event: &impl AsFd, hook: Hook) -> Result<PerfEventDetails> {
    let program = Program::passing(hook)?;
    let request = LinkCreate::new(&program, AttachType::PerfEvent)
        .target_fd(event)
        .args(PerfEventArgs::cookie(COOKIE));
    let link = PerfEventLink::try_from(RawLink::create(&request)?)?;
    let info = link.info()?;
    ensure!(info.program_id == id_of(&program)? && info.is_defunct() == Some(false));
    let mut buf = InfoBuf::new();
    ensure!(link.info_in(&mut buf)?.into_owned() == info);
    Ok(info.event)
}

/// Whether the kernel says nothing, as it should before Linux 6.6.
fn is_not_reported(event: &PerfEventDetails) -> Result<bool> {
    let not_reported = *event == PerfEventDetails::NotReported;
    ensure!(not_reported == since(6, 6, ())?.is_none(), "{event:?}");
    Ok(not_reported)
}

fn perf_event(sandbox: &Sandbox) -> Result<()> {
    let event = PerfEvent::tracepoint(sandbox, "sched", "sched_switch")?;
    let event = perf_info(&event, Hook::TRACEPOINT)?;
    if !is_not_reported(&event)? {
        let PerfEventDetails::Tracepoint(tracepoint) = &event else {
            anyhow::bail!("{event:?}");
        };
        ensure!(
            tracepoint.name.as_deref() == Some(c"sched_switch"),
            "{event:?}"
        );
        ensure!(tracepoint.cookie == since(6, 9, COOKIE)?, "{event:?}");
    }
    let event = perf_info(&PerfEvent::page_fault()?, Hook::PERF_EVENT)?;
    if !is_not_reported(&event)? {
        let PerfEventDetails::Event(counter) = &event else {
            anyhow::bail!("{event:?}");
        };
        ensure!(counter.event_type == PERF_TYPE_SOFTWARE, "{event:?}");
        ensure!(
            counter.config == u64::from(PERF_COUNT_SW_PAGE_FAULTS),
            "{event:?}"
        );
        ensure!(counter.cookie == since(6, 9, COOKIE)?, "{event:?}");
    }
    Ok(())
}

fn perf_event_of_a_kprobe(_sandbox: &Sandbox) -> Result<()> {
    for at in [ProbeAt::Entry, ProbeAt::Return] {
        let event = perf_info(&PerfEvent::kprobe("bpf_fentry_test1", at)?, Hook::KPROBE)?;
        if is_not_reported(&event)? {
            continue;
        }
        let (PerfEventDetails::Kprobe(probe) | PerfEventDetails::Kretprobe(probe)) = &event else {
            anyhow::bail!("{event:?}");
        };
        let is_return = matches!(event, PerfEventDetails::Kretprobe(_));
        ensure!(is_return == (at == ProbeAt::Return), "{event:?}");
        ensure!(
            probe.function.as_deref() == Some(c"bpf_fentry_test1"),
            "{event:?}"
        );
        ensure!(
            probe.offset == 0 && probe.missed == since(6, 7, 0)?,
            "{event:?}"
        );
        ensure!(probe.cookie == since(6, 9, COOKIE)?, "{event:?}");
        ensure_address(probe.address, "bpf_fentry_test1")?;
    }
    Ok(())
}

fn perf_event_of_a_uprobe(sandbox: &Sandbox) -> Result<()> {
    let path = sandbox.directory().join("typed");
    std::fs::write(&path, [0; 4096])?;
    for at in [ProbeAt::Entry, ProbeAt::Return] {
        let event = perf_info(&PerfEvent::uprobe(&path, 64, at)?, Hook::KPROBE)?;
        if is_not_reported(&event)? {
            continue;
        }
        let (PerfEventDetails::Uprobe(probe) | PerfEventDetails::Uretprobe(probe)) = &event else {
            anyhow::bail!("{event:?}");
        };
        let is_return = matches!(event, PerfEventDetails::Uretprobe(_));
        ensure!(is_return == (at == ProbeAt::Return), "{event:?}");
        let file = probe.file.as_deref().map(CStr::to_bytes);
        ensure!(
            file == Some(path.as_os_str().as_encoded_bytes()),
            "{event:?}"
        );
        ensure!(
            probe.offset == 64 && probe.ref_ctr_offset == since(6, 16, 0)?,
            "{event:?}"
        );
        ensure!(probe.cookie == since(6, 9, COOKIE)?, "{event:?}");
    }
    std::fs::remove_file(&path)?;
    Ok(())
}

/// By an address, a probe has no name.
fn perf_event_by_address(_sandbox: &Sandbox) -> Result<()> {
    const TYPE: &str = "/sys/bus/event_source/devices/kprobe/type";
    let number = std::fs::read_to_string(TYPE).context(TYPE)?;
    let Some(address) = kallsyms("bpf_fentry_test1")? else {
        // Then nobody can place one by address.
        return Ok(());
    };
    let config = PerfEventConfig::new(number.trim().parse()?, 0).probe_address(address);
    let event = bpf_link::PerfEvent::open(&config)?;
    let event = perf_info(&event, Hook::KPROBE)?;
    if !is_not_reported(&event)? {
        let PerfEventDetails::Kprobe(probe) = &event else {
            anyhow::bail!("{event:?}");
        };
        ensure!(probe.function.is_none(), "{event:?}");
        ensure_address(probe.address, "bpf_fentry_test1")?;
    }
    Ok(())
}

/// The address of a function; nothing if this kernel hides it even from root.
fn kallsyms(function: &str) -> Result<Option<u64>> {
    let symbols = std::fs::read_to_string("/proc/kallsyms")?;
    let mut lines = symbols.lines().map(|line| line.split(' '));
    let address = lines.find_map(|mut words| {
        let (address, _, name) = (words.next()?, words.next()?, words.next()?);
        (name == function).then_some(address)
    });
    let address = u64::from_str_radix(address.context("no such function")?, 16)?;
    Ok(Some(address).filter(|address| *address != 0))
}

/// The kernel may have it a few bytes behind that of the function, where the function's own code begins.
fn ensure_address(found: Hideable<u64>, function: &str) -> Result<()> {
    match (found, kallsyms(function)?) {
        (Hideable::Hidden, None) => Ok(()),
        (Hideable::Visible(found), Some(address)) if found.wrapping_sub(address) <= 16 => Ok(()),
        (found, address) => anyhow::bail!("{function} is at {found:x?} and not {address:x?}"),
    }
}

const FUNCTIONS: [&CStr; 3] = [
    c"bpf_fentry_test3",
    c"bpf_fentry_test1",
    c"bpf_fentry_test2",
];

const COOKIES: [u64; 3] = [COOKIE, u64::MAX, 0];

/// Each function is there, in whichever order, and its cookie with it.
fn ensure_functions(
    addresses: Hideable<&[u64]>,
    cookies: Option<&[u64]>,
    expected: [u64; 3],
) -> Result<()> {
    let Hideable::Visible(addresses) = addresses else {
        return ensure_address(Hideable::Hidden, "bpf_fentry_test1");
    };
    ensure!(addresses.len() == FUNCTIONS.len());
    for (function, expected) in FUNCTIONS.into_iter().zip(expected) {
        let name = function.to_str()?;
        let near = |(_, address): &(usize, &u64)| {
            ensure_address(Hideable::Visible(**address), name).is_ok()
        };
        let mut found = addresses.iter().enumerate().filter(near);
        let (index, _) = found
            .next()
            .with_context(|| format!("{name}: {addresses:x?}"))?;
        let cookie = cookies.map(|cookies| cookies.get(index));
        ensure!(
            cookie.is_none_or(|cookie| cookie == Some(&expected)),
            "{cookies:x?}"
        );
    }
    Ok(())
}

/// Whether addresses are hidden from a user without any privilege.
fn are_hidden_from_nobody() -> Result<bool> {
    let read = |name: &str| -> Result<i32> {
        let text = std::fs::read_to_string(format!("/proc/sys/kernel/{name}"))?;
        Ok(text.trim().parse()?)
    };
    Ok(read("kptr_restrict")? > 0 || read("perf_event_paranoid")? > 1)
}

fn kprobe_multi(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::KPROBE_MULTI)?;
    let mut buf = InfoBuf::new();
    for (cookies, flags) in [
        (None, KprobeMultiFlags::empty()),
        (Some(&COOKIES), KprobeMultiFlags::RETURN),
    ] {
        let mut args = KprobeMultiArgs::symbols(&FUNCTIONS).flags(flags);
        if let Some(cookies) = cookies {
            args = args.cookies(cookies)?;
        }
        let request = request(&program, Hook::KPROBE_MULTI).args(args);
        let link = KprobeMultiLink::try_from(RawLink::create(&request)?)?;
        let info = link.info_in(&mut buf)?;
        ensure!(info.program_id == id_of(&program)? && info.is_defunct() == Some(false));
        ensure!(info.count == since(6, 6, 3)? && info.flags == since(6, 6, flags)?);
        ensure!(info.missed == since(6, 7, 0)?, "{info:?}");
        ensure!(
            info.cookies.is_some() == since(6, 9, ())?.is_some(),
            "{info:?}"
        );
        ensure!(info.addresses.is_some() == info.count.is_some(), "{info:?}");
        if let Some(addresses) = info.addresses {
            let expected = cookies.copied().unwrap_or_default();
            ensure_functions(addresses, info.cookies, expected)?;
            let owned = info.into_owned();
            ensure!(link.info()? == owned);
            let hidden = as_nobody(|| Ok(link.info()?.addresses))?;
            ensure!((hidden == Some(Hideable::Hidden)) == are_hidden_from_nobody()?);
        }
    }
    Ok(())
}

fn tracing_multi(_sandbox: &Sandbox) -> Result<()> {
    let hook = Hook::FENTRY_MULTI;
    let program = Program::passing(hook)?;
    let mut ids = Vec::new();
    for function in FUNCTIONS {
        let id = KernelBtf::get()?.function(function.to_str()?)?;
        ids.push(id.and_then(BtfTypeId::new).context("no such function")?);
    }
    let args = TracingMultiArgs::new(&ids).cookies(&COOKIES)?;
    let link = RawLink::create(&request(&program, hook).args(args))?;
    let link = TracingMultiLink::try_from(link)?;
    let info = link.info()?;
    ensure!(info.program_id == id_of(&program)? && info.is_defunct() == Some(false));
    ensure!(info.attach_type == since(7, 3, AttachType::TraceFentryMulti)?);
    ensure!(
        info.btf_obj_id.is_some() == since(7, 3, ())?.is_some(),
        "{info:?}"
    );
    ensure!(info.count == since(7, 3, 3)?, "{info:?}");
    let mut sorted: Vec<(u32, u64)> = ids.iter().map(|id| id.get()).zip(COOKIES).collect();
    sorted.sort_unstable();
    let (sorted, cookies): (Vec<u32>, Vec<u64>) = sorted.into_iter().unzip();
    ensure!(info.ids == since(7, 3, sorted)?, "{info:?}");
    ensure!(info.cookies == since(7, 3, cookies)?, "{info:?}");
    if let Some(addresses) = &info.addresses {
        let addresses = match addresses {
            Hideable::Visible(addresses) => Hideable::Visible(addresses.as_slice()),
            Hideable::Hidden => Hideable::Hidden,
        };
        ensure_functions(addresses, info.cookies.as_deref(), COOKIES)?;
    }
    Ok(())
}

fn uprobe_multi(sandbox: &Sandbox) -> Result<()> {
    const OFFSETS: [u64; 3] = [0x40, 0, 0x80];
    const COUNTERS: [u64; 3] = [0x100, 0, 0x102];
    let path = sandbox.directory().join("typed");
    std::fs::write(&path, [0; 4096])?;
    let file = CString::new(path.as_os_str().as_encoded_bytes())?;
    let program = Program::passing(Hook::UPROBE_MULTI)?;
    let all = UprobeMultiArgs::path(&file, &OFFSETS)
        .ref_ctr_offsets(&COUNTERS)?
        .cookies(&COOKIES)?
        .flags(UprobeMultiFlags::RETURN)
        .pid(std::process::id());
    let plain = UprobeMultiArgs::path(&file, &OFFSETS);
    for (args, counters, cookies, flags, pid) in [
        (
            all,
            COUNTERS,
            COOKIES,
            UprobeMultiFlags::RETURN,
            std::process::id(),
        ),
        (plain, [0; 3], [0; 3], UprobeMultiFlags::empty(), 0),
    ] {
        let request = request(&program, Hook::UPROBE_MULTI).args(args);
        let link = UprobeMultiLink::try_from(RawLink::create(&request)?)?;
        let mut buf = InfoBuf::new();
        let info = link.info_in(&mut buf)?;
        ensure!(info.program_id == id_of(&program)? && info.is_defunct() == Some(false));
        ensure!(info.path == since(6, 8, file.as_c_str())?, "{info:?}");
        ensure!(info.count == since(6, 8, 3)?, "{info:?}");
        ensure!(info.offsets == since(6, 8, OFFSETS.as_slice())?, "{info:?}");
        ensure!(
            info.ref_ctr_offsets == since(6, 8, counters.as_slice())?,
            "{info:?}"
        );
        ensure!(info.cookies == since(6, 8, cookies.as_slice())?, "{info:?}");
        ensure!(info.flags == since(6, 8, flags)?, "{info:?}");
        ensure!(info.pid == since(6, 8, pid)?, "{info:?}");
    }
    std::fs::remove_file(&path)?;
    Ok(())
}
