//! Functions that cannot be traced, and why.

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::{Hook, Program, Sandbox};
use bpf_link_typed::attach::When;
use bpf_link_typed::{Error, KprobeMultiAttach};

use crate::fixture::attaching::{ensure_ambiguous, ensure_empty_name, ensure_error};
use crate::fixture::chain::check_refusal;
use crate::functions::kernel::{SYMBOLS, address_of};
use crate::functions::listed;
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(names_of_several_functions)
        .needs(Need::KPROBE_MULTI)
        .minutes(10),
    test!(functions_that_are_not_there).needs(Need::KPROBE_MULTI),
    test!(functions_that_cannot_be_traced).needs(Need::KPROBE_MULTI),
    test!(addresses_that_are_no_entry).needs(Need::KPROBE_MULTI),
    test!(a_symbol_without_a_letter).needs(Need::KPROBE_MULTI),
];

fn names_of_several_functions(sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::KPROBE_MULTI)?;
    let [first, ..] = SYMBOLS;
    let (name, addresses) = listed::of_two(sandbox.tracefs()?)?;
    let names = [first, &name];
    let to = KprobeMultiAttach::to_symbols(When::Entry, names);
    // Without tracefs it is not known which of them can be traced.
    for to in [
        to.clone(),
        to.clone().tracefs(sandbox.tracefs()?),
        to.tracefs(sandbox.directory()),
    ] {
        ensure_ambiguous(to.attach(&program), &name, &addresses, None)?;
    }
    // By their addresses both are meant.
    let link = KprobeMultiAttach::to_addresses(When::Entry, &addresses).attach(&program)?;
    ensure!(link.info()?.count.is_none_or(|count| count == 2));
    Ok(())
}

fn functions_that_are_not_there(sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::KPROBE_MULTI)?;
    let [first, .., call] = SYMBOLS;
    let (base, part) = listed::renamed(".part.0")?;
    let names = [first, c"sys_getppid", &base, c"no_such_function"];
    let to = KprobeMultiAttach::to_symbols(When::Entry, &names);
    let refused = to.tracefs(sandbox.tracefs()?).attach(&program);
    let Err(Error::SymbolNotFound { symbols, .. }) = &refused else {
        anyhow::bail!("{refused:?}");
    };
    let unknown = [c"sys_getppid", &base, c"no_such_function"].map(ToOwned::to_owned);
    ensure!(
        symbols.unknown == unknown && symbols.untraceable.is_empty(),
        "{symbols}"
    );
    ensure!(!symbols.without_tracefs, "{symbols}");
    let [of_call, of_base] = &*symbols.similar else {
        anyhow::bail!("{symbols}");
    };
    ensure!(of_call.found.contains(&call.to_owned()), "{symbols}");
    ensure!(
        of_base.symbol == base && of_base.found.contains(&part),
        "{symbols}"
    );
    ensure_error!(
        refused,
        Error::SymbolNotFound { .. },
        Some(libc::ESRCH),
        &["sys_getppid", "no_such_function"]
    );
    Ok(())
}

fn functions_that_cannot_be_traced(sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::KPROBE_MULTI)?;
    let [first, ..] = SYMBOLS;
    let names = [first, c"notify_die"];
    let to = KprobeMultiAttach::to_symbols(When::Entry, &names);
    for (to, is_known) in [
        (to.clone().tracefs(sandbox.tracefs()?), true),
        (to.tracefs(sandbox.directory()), false),
    ] {
        let refused = to.attach(&program);
        let Err(Error::SymbolNotFound { symbols, .. }) = &refused else {
            anyhow::bail!("{refused:?}");
        };
        ensure!(
            symbols.unknown.is_empty() && symbols.duplicate.is_empty(),
            "{symbols}"
        );
        let untraceable = symbols.untraceable == [c"notify_die".to_owned()];
        ensure!(untraceable == is_known, "{symbols}");
        ensure!(symbols.without_tracefs != is_known, "{symbols}");
        ensure!(
            symbols.to_string().contains("notify_die") == is_known,
            "{symbols}"
        );
        ensure!(
            symbols.to_string().contains("tracefs could not be asked") != is_known,
            "{symbols}"
        );
        ensure_error!(
            refused,
            Error::SymbolNotFound { .. },
            Some(libc::ESRCH),
            &["notify_die"]
        );
    }
    Ok(())
}

/// `EINVAL`, or `ENOENT` since Linux 7.3.
fn addresses_that_are_no_entry(sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::KPROBE_MULTI)?;
    let [symbol, ..] = SYMBOLS;
    let address = address_of(symbol)?;
    let forbidden = address_of(c"notify_die")?;
    let addresses = [address, address + 2, forbidden];
    let to = KprobeMultiAttach::to_addresses(When::Entry, addresses);
    let refused = to.tracefs(sandbox.tracefs()?).attach(&program);
    let Err(Error::AddressNotTraceable {
        addresses: wrong,
        source,
    }) = &refused
    else {
        anyhow::bail!("{refused:?}");
    };
    let errno = source.errno();
    ensure!(
        matches!(errno, Some(libc::EINVAL | libc::ENOENT)),
        "{refused:?}"
    );
    let [inside, entry] = &**wrong else {
        anyhow::bail!("{refused:?}");
    };
    ensure!(inside.address == address + 2, "{refused:?}");
    let (function, offset) = inside.function.as_ref().context("in no function")?;
    // A system call has several names.
    let is_this = address_of(function)? == address;
    ensure!(is_this && *offset == 2, "{refused:?}");
    ensure!(entry.address == forbidden, "{refused:?}");
    ensure!(
        entry.function == Some((c"notify_die".to_owned(), 0)),
        "{refused:?}"
    );
    let words = [address + 2, forbidden].map(|address| format!("{address:#x}"));
    check_refusal(refused, &[&words[0], &words[1], "notify_die"])?;
    Ok(())
}

fn a_symbol_without_a_letter(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::KPROBE_MULTI)?;
    let [first, ..] = SYMBOLS;
    let to = KprobeMultiAttach::to_symbols(When::Entry, &[first, c""]);
    ensure_empty_name(to.attach(&program), &["functions", first.to_str()?])
}
