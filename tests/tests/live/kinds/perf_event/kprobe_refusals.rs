//! Places in the kernel that cannot be probed, and why.

use std::ffi::CStr;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::mounted::mount_debugfs;
use bpf_link_tests::{Hook, Program, Sandbox};
use bpf_link_typed::{Error, KernelFunctions, KprobeEvent, PerfEventAttach, PerfEventLink};
use rustix::mount::{MountFlags, mount};

use crate::ensure::places::is_linux;
use crate::fixture::attaching::{adding, ensure_ambiguous, ensure_empty_name, ensure_error};
use crate::fixture::chain::check_refusal;
use crate::fixture::lockdown::{LOCKED_DOWN, lock_down};
use crate::functions::kernel::{CALLS, SYMBOLS, address_of};
use crate::functions::listed;
use crate::harness::{Need, Test, test};

const KPROBES: &[Need] = &[Need::Function("register_kprobe")];

pub(crate) const TESTS: &[Test] = &[
    test!(a_function_that_is_not_there)
        .needs(Need::PERF_EVENT)
        .also_needs(KPROBES),
    test!(a_name_of_several_functions)
        .needs(Need::PERF_EVENT)
        .also_needs(KPROBES),
    test!(where_no_instruction_begins)
        .needs(Need::PERF_EVENT)
        .also_needs(KPROBES),
    test!(after_the_end)
        .needs(Need::PERF_EVENT)
        .also_needs(KPROBES),
    test!(what_is_not_to_be_probed)
        .needs(Need::PERF_EVENT)
        .also_needs(KPROBES),
    test!(a_kernel_that_is_locked_down)
        .needs(Need::PERF_EVENT)
        .also_needs(KPROBES)
        .also_needs(LOCKED_DOWN)
        .alone(),
    test!(a_symbol_without_a_letter)
        .needs(Need::PERF_EVENT)
        .also_needs(KPROBES),
];

/// The kernel says that it is in a file of a file system for security modules.
fn a_kernel_that_is_locked_down(sandbox: &Sandbox) -> Result<()> {
    const SECURITY: &str = "/sys/kernel/security";
    let [symbol, ..] = SYMBOLS;
    let tracefs = sandbox.tracefs()?;
    let refused = || attach(KprobeEvent::at(symbol, 0));
    drop(refused()??);
    let locked = lock_down()?;
    mount("tmpfs", SECURITY, "tmpfs", MountFlags::empty(), None)?;
    let modes = Path::new(SECURITY).join("lockdown");
    for not_so in [
        "[none] integrity confidentiality",
        "none [integrity] confidentiality",
    ] {
        std::fs::write(&modes, not_so)?;
        ensure_error!(
            refused()?,
            Error::Link(bpf_link::Error::PermissionDenied(_)),
            Some(libc::EPERM),
            &[symbol.to_str()?]
        );
    }
    std::fs::write(&modes, "none integrity [confidentiality]\n")?;
    ensure_error!(
        refused()?,
        Error::LockedDown { .. },
        Some(libc::EPERM),
        &["locked down", symbol.to_str()?]
    );
    ensure_error!(
        KernelFunctions::traceable_in(tracefs),
        Error::LockedDown { .. },
        Some(libc::EPERM),
        &["locked down"]
    );
    drop(locked);
    Ok(())
}

fn attach(event: KprobeEvent<'_>) -> Result<Result<PerfEventLink, Error>> {
    let program = Program::passing(Hook::KPROBE)?;
    Ok(PerfEventAttach::to(event).attach(&program))
}

fn a_function_that_is_not_there(_sandbox: &Sandbox) -> Result<()> {
    let [.., call] = SYMBOLS;
    let part = listed::renamed(".part.0")?;
    let constprop = listed::renamed(".constprop.0")?;
    let renamed = [&part, &constprop].map(|(base, name)| (base.as_c_str(), Some(name.as_c_str())));
    let of_another_machine = if cfg!(target_arch = "s390x") {
        c"__x64_sys_getppid"
    } else {
        c"__s390x_sys_getppid"
    };
    let cases = [
        (c"no_such_function", None),
        (c"sys_getppid", Some(call)),
        (of_another_machine, Some(call)),
    ];
    for (symbol, instead) in cases.into_iter().chain(renamed) {
        let refused = attach(KprobeEvent::at(symbol, 0))?;
        let Err(Error::SymbolNotFound { symbols, .. }) = &refused else {
            anyhow::bail!("{symbol:?}: {refused:?}");
        };
        ensure!(symbols.unknown == [symbol.to_owned()], "{symbols}");
        let found = symbols.similar.first();
        ensure!(found.is_some() == instead.is_some(), "{symbols}");
        if let Some((found, instead)) = found.zip(instead) {
            ensure!(found.symbol.as_c_str() == symbol, "{symbols}");
            ensure!(found.found.contains(&instead.to_owned()), "{symbols}");
            ensure!(symbols.to_string().contains(instead.to_str()?), "{symbols}");
        }
        ensure_error!(
            refused,
            Error::SymbolNotFound { .. },
            Some(libc::ENOENT),
            &[&format!("called {}", symbol.to_str()?)]
        );
    }
    Ok(())
}

fn a_name_of_several_functions(sandbox: &Sandbox) -> Result<()> {
    let (name, addresses) = listed::of_two(sandbox.tracefs()?)?;
    let refused = attach(KprobeEvent::at(&name, 0))?;
    // Before, the kernel would have taken one of them.
    let errno = is_linux(6, 7)?.then_some(libc::EADDRNOTAVAIL);
    ensure_ambiguous(refused, &name, &addresses, errno)?;
    // By its address each of them can be meant.
    for address in addresses {
        let attached = attach(KprobeEvent::at_address(address))?;
        drop(attached.with_context(|| format!("{name:?} at {address:#x}"))?);
    }
    Ok(())
}

/// The first instruction of a function is longer than two bytes: it is where the function can be
/// traced.
fn where_no_instruction_begins(_sandbox: &Sandbox) -> Result<()> {
    // Where instructions are aligned, the kernel looks at the address alone.
    const INSIDE: u64 = if cfg!(target_arch = "s390x") { 1 } else { 2 };
    const ERRNO: i32 = if cfg!(any(target_arch = "aarch64", target_arch = "s390x")) {
        libc::EINVAL
    } else {
        libc::EILSEQ
    };
    let [symbol, ..] = SYMBOLS;
    let address = address_of(symbol)? + INSIDE;
    for (event, given) in [
        (KprobeEvent::at(symbol, INSIDE), None),
        (
            KprobeEvent::at_address(address),
            Some(format!("(address {address:#x})")),
        ),
    ] {
        let refused = attach(event.clone())?;
        let Err(Error::InsideInstruction {
            function, offset, ..
        }) = &refused
        else {
            anyhow::bail!("{event:?}: {refused:?}");
        };
        // A system call has several names.
        let is_this = address_of(function)? == address_of(symbol)?;
        ensure!(is_this && *offset == INSIDE, "{refused:?}");
        let place = format!("{INSIDE:#x} bytes into {}", function.to_str()?);
        let words: Vec<&str> = [&*place].into_iter().chain(given.as_deref()).collect();
        ensure_error!(
            refused,
            Error::InsideInstruction { .. },
            Some(ERRNO),
            &words
        );
    }
    Ok(())
}

fn after_the_end(_sandbox: &Sandbox) -> Result<()> {
    let [symbol, ..] = SYMBOLS;
    let size = listed::size_of(symbol)?;
    for offset in [size, 1_000_000, u64::MAX] {
        let refused = attach(KprobeEvent::at(symbol, offset))?;
        let Err(Error::BeyondFunction {
            function,
            offset: found,
            size: known,
        }) = &refused
        else {
            anyhow::bail!("{offset}: {refused:?}");
        };
        ensure!(function.as_c_str() == symbol && (*found, *known) == (offset, size));
        check_refusal(
            refused,
            &[symbol.to_str()?, &format!("offset {offset:#x} is past")],
        )?;
    }
    // Every place is after the beginning of the kernel's code.
    let (program, sum) = adding(Hook::KPROBE)?;
    let offset = address_of(symbol)? - address_of(c"_stext")?;
    let event = KprobeEvent::at(c"_stext", offset);
    let _link = PerfEventAttach::to(event).cookie(5).attach(&program)?;
    let [call, ..] = CALLS;
    call();
    ensure!(sum.read()? == 5, "{}", sum.read()?);
    Ok(())
}

fn what_is_not_to_be_probed(sandbox: &Sandbox) -> Result<()> {
    const LISTED: &CStr = c"notify_die";
    const NOT_TRACED: &CStr = c"trace_clock_local";
    let tracefs = sandbox.tracefs()?;
    let ensure_refused = |event: KprobeEvent<'_>, symbol: &CStr, listed: bool| {
        let refused = attach(event.clone())?;
        let Err(Error::NotToBeProbed {
            function,
            is_blacklisted,
            ..
        }) = &refused
        else {
            anyhow::bail!("{event:?}: {refused:?}");
        };
        ensure!(
            function.as_c_str() == symbol && *is_blacklisted == listed,
            "{refused:?}"
        );
        ensure_error!(
            refused,
            Error::NotToBeProbed { .. },
            Some(libc::EINVAL),
            &[symbol.to_str()?]
        );
        anyhow::Ok(())
    };
    mount_debugfs()?;
    for (symbol, is_listed) in [(LISTED, true), (NOT_TRACED, false)] {
        let address = address_of(symbol)?;
        for event in [KprobeEvent::at(symbol, 0), KprobeEvent::at_address(address)] {
            ensure_refused(event.tracefs(tracefs), symbol, is_listed)?;
        }
    }
    // It is in neither list of what is mounted there instead.
    mount(
        "tmpfs",
        "/sys/kernel/debug",
        "tmpfs",
        MountFlags::empty(),
        None,
    )?;
    ensure_refused(KprobeEvent::at(LISTED, 0).tracefs(tracefs), LISTED, false)?;
    ensure_error!(
        attach(KprobeEvent::at(LISTED, 0).tracefs(sandbox.directory()))?,
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EINVAL),
        &[LISTED.to_str()?]
    );
    Ok(())
}

/// The kernel would take the offset for an address.
fn a_symbol_without_a_letter(_sandbox: &Sandbox) -> Result<()> {
    let [symbol, ..] = SYMBOLS;
    for offset in [8, address_of(symbol)?] {
        let refused = attach(KprobeEvent::at(c"", offset))?;
        ensure_empty_name(refused, &[&format!("function +{offset:#x}")])?;
    }
    Ok(())
}
