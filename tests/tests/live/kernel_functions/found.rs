//! What is found in the kernel's lists.

use std::collections::{HashMap, HashSet};
use std::ffi::CString;

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::Sandbox;
use bpf_link_typed::{
    Error, Hideable, KernelFunction, KernelFunctionProblem as Problem, KernelFunctions,
};

use super::{LIST, problem};
use crate::fixture::attaching::{ensure_ambiguous, ensure_error};
use crate::fixture::chain::check_refusal;
use crate::functions::kernel::{SYMBOLS, address_of, with_hidden_addresses};
use crate::functions::listed;
use crate::harness::{Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(names_and_addresses),
    test!(names_of_several),
    test!(what_is_not_there),
    test!(system_calls),
    test!(without_tracefs),
    test!(what_can_be_traced).needs(LIST),
    test!(what_cannot_be_traced).needs(LIST),
    test!(hidden_addresses).needs(LIST).alone(),
];

fn names_and_addresses(_sandbox: &Sandbox) -> Result<()> {
    let kernel = KernelFunctions::all()?;
    ensure!(kernel.has_addresses());
    for symbol in SYMBOLS {
        let address = address_of(symbol)?;
        let found = kernel.function(symbol.to_str()?)?;
        ensure!(found.address == Hideable::Visible(address) && found.module.is_none());
        for offset in [0, 2] {
            let (function, at) = kernel.function_at(address + offset).context("nowhere")?;
            // A system call has several names.
            ensure!(
                function.address == found.address && at == offset,
                "{function:?}"
            );
        }
    }
    ensure!(kernel.function_at(1).is_none());
    Ok(())
}

/// As in a list that is read on its own.
fn names_of_several(_sandbox: &Sandbox) -> Result<()> {
    let mut places: HashMap<CString, Vec<u64>> = HashMap::new();
    for line in std::fs::read_to_string("/proc/kallsyms")?.lines() {
        let mut words = line.split_ascii_whitespace();
        let (Some(address), Some("t" | "T" | "w" | "W"), Some(name)) =
            (words.next(), words.next(), words.next())
        else {
            continue;
        };
        let places = places.entry(CString::new(name)?).or_default();
        places.push(u64::from_str_radix(address, 16)?);
    }
    let kernel = KernelFunctions::all()?;
    let shared = kernel.shared_names();
    // Programs of other tests come and go, and have the names that they were given.
    let is_stable = |name: &CString| !name.to_bytes().starts_with(b"bpf_");
    let found: HashMap<CString, Vec<u64>> = shared
        .into_iter()
        .map(|shared| (shared.name, shared.addresses))
        .filter(|(name, _)| is_stable(name))
        .collect();
    places.retain(|name, places| {
        places.sort_unstable();
        places.dedup();
        places.len() > 1 && is_stable(name)
    });
    ensure!(!places.is_empty() && found == places);
    let (name, addresses) = places.into_iter().next().context("none")?;
    let named = kernel.functions_named(name.to_str()?)?;
    let at: Vec<u64> = named
        .iter()
        .filter_map(|found| found.address.visible())
        .collect();
    ensure!(at == addresses, "{named:?}");
    ensure_ambiguous(kernel.function(name.to_str()?), &name, &addresses, None)
}

fn what_is_not_there(_sandbox: &Sandbox) -> Result<()> {
    let kernel = KernelFunctions::all()?;
    let Problem::NoSuchFunction { name, similar } = problem(kernel.function("vfs_raed"))? else {
        anyhow::bail!("another problem");
    };
    ensure!(
        name == "vfs_raed" && similar.contains(&"vfs_read".to_owned()),
        "{similar:?}"
    );
    let (base, part) = listed::renamed(".part.0")?;
    let Problem::NoSuchFunction { similar, .. } = problem(kernel.function(base.to_str()?))? else {
        anyhow::bail!("another problem");
    };
    ensure!(
        similar
            .first()
            .is_some_and(|first| first == part.to_str().unwrap_or_default()),
        "{similar:?}"
    );
    check_refusal(kernel.function("vfs_raed"), &["vfs_raed", "vfs_read"])?;
    ensure!(kernel.functions_named("vfs_raed")?.is_empty());
    for pattern in ["vfs_raed*", "no_such_module:*", ""] {
        let pattern = pattern.to_owned();
        let found = problem(kernel.functions_matching(&pattern))?;
        ensure!(found == Problem::NothingMatches { pattern });
    }
    ensure!(kernel.functions_where(|_| false)?.is_empty());
    Ok(())
}

fn system_calls(_sandbox: &Sandbox) -> Result<()> {
    let kernel = KernelFunctions::all()?;
    for (name, symbol) in ["getuid", "getgid", "getppid"].into_iter().zip(SYMBOLS) {
        let found = kernel.syscall(name)?;
        ensure!(found.name == symbol.to_str()?, "{found:?}");
        ensure!(found.address == Hideable::Visible(address_of(symbol)?));
    }
    // Its function has another name, although most kernels have an old one of this name as well.
    let uname = kernel.syscall("uname")?;
    ensure!(uname.name.ends_with("sys_newuname"), "{uname:?}");
    let Problem::NoSuchSyscall { name, similar } = problem(kernel.syscall("getpipd"))? else {
        anyhow::bail!("another problem");
    };
    ensure!(
        name == "getpipd" && similar.contains(&"getppid".to_owned()),
        "{similar:?}"
    );
    Ok(())
}

fn without_tracefs(sandbox: &Sandbox) -> Result<()> {
    let names = sandbox.directory().join("available_filter_functions");
    let refused = KernelFunctions::traceable_in(sandbox.directory());
    ensure!(
        matches!(&refused, Err(Error::File { path, .. }) if *path == names),
        "{refused:?}"
    );
    ensure_error!(
        refused,
        Error::File { .. },
        Some(libc::ENOENT),
        &[&names.display().to_string()]
    );
    // A list without an address says of each name what can be traced.
    let [first, ..] = SYMBOLS;
    std::fs::write(&names, format!("{}\n", first.to_str()?))?;
    let found = KernelFunctions::traceable_in(sandbox.directory())?.functions_where(|_| true)?;
    let [only] = &*found else {
        anyhow::bail!("{found:?}");
    };
    ensure!(only.address == Hideable::Visible(address_of(first)?));
    Ok(())
}

/// All functions of the list, and nothing else.
fn what_can_be_traced(sandbox: &Sandbox) -> Result<()> {
    let tracefs = sandbox.tracefs()?;
    let list = std::fs::read_to_string(tracefs.join("available_filter_functions"))?;
    let is_valid = |line: &&str| !line.starts_with("__ftrace_invalid_address__");
    let listed: Vec<&str> = list.lines().filter(is_valid).collect();
    let kernel = KernelFunctions::traceable_in(tracefs)?;
    let with_addresses = tracefs.join("available_filter_functions_addrs");
    if !with_addresses.exists() {
        return ensure_listed_by_name(&kernel, &listed);
    }
    let found = kernel.functions_where(|_| true)?;
    let missing = first_missing(&found, &listed);
    ensure!(missing.is_empty(), "without {missing:?}");
    let places: HashSet<Option<u64>> = found.iter().map(|found| found.address.visible()).collect();
    ensure!(places.len() == found.len());
    // On s390x some functions are listed with more than one place where they can be traced.
    if !cfg!(target_arch = "s390x") {
        ensure!(
            found.len() == listed.len(),
            "{} of {}",
            found.len(),
            listed.len()
        );
    }
    let mut expected = HashSet::new();
    for line in std::fs::read_to_string(with_addresses)?.lines() {
        let (address, name) = line.split_once(' ').context("no address")?;
        if is_valid(&name) {
            let address = u64::from_str_radix(address, 16)?;
            let (function, _) = kernel.function_at(address).context("no function")?;
            expected.insert(function.address.visible());
        }
    }
    ensure!(places == expected, "{} of {}", places.len(), expected.len());
    // Each by the name of the list.
    for line in listed.iter().step_by(1000) {
        let (name, module) = line.split_once(' ').unwrap_or((line, ""));
        let module = module.trim_matches(['[', ']', ' ']);
        let named = kernel.functions_named(name)?;
        let is_it = named
            .iter()
            .any(|found| found.module.as_deref().unwrap_or("") == module);
        ensure!(is_it, "{line}: {named:?}");
    }
    Ok(())
}

/// Some lines of the list whose names no function was found by.
fn first_missing<'a>(found: &[KernelFunction], listed: &[&'a str]) -> Vec<&'a str> {
    let found: HashSet<&str> = found.iter().map(|function| &*function.name).collect();
    let is_missing = |line: &&str| {
        let name = line.split(' ').next();
        !name.is_some_and(|name| found.contains(name))
    };
    listed.iter().copied().filter(is_missing).take(20).collect()
}

/// Those at whose place a function with a name of the list is. Names of which only some functions
/// can be traced are refused.
fn ensure_listed_by_name(kernel: &KernelFunctions, listed: &[&str]) -> Result<()> {
    let symbols = match kernel.functions_where(|_| true) {
        Err(Error::AmbiguousSymbol { symbols, .. }) => symbols.into_vec(),
        found => found.map(|_| Vec::new())?,
    };
    let unclear: HashSet<&str> = symbols
        .iter()
        .filter_map(|shared| shared.name.to_str().ok())
        .collect();
    let found = kernel.functions_where(|function| !unclear.contains(&*function.name))?;
    let found: HashSet<Option<u64>> = found.iter().map(|found| found.address.visible()).collect();
    let listed: HashSet<&str> = listed.iter().copied().collect();
    let mut expected = HashSet::new();
    for line in std::fs::read_to_string("/proc/kallsyms")?.lines() {
        let (address, rest) = line.split_once(' ').context("no address")?;
        let (letter, name) = rest.split_once(' ').context("no letter")?;
        let is_clear = name
            .split('\t')
            .next()
            .is_some_and(|name| !unclear.contains(name));
        let is_function = matches!(letter, "t" | "T" | "w" | "W");
        if is_function && is_clear && listed.contains(&*name.replace('\t', " ")) {
            expected.insert(Some(u64::from_str_radix(address, 16)?));
        }
    }
    ensure!(found == expected, "{} of {}", found.len(), expected.len());
    Ok(())
}

fn what_cannot_be_traced(sandbox: &Sandbox) -> Result<()> {
    let kernel = KernelFunctions::traceable_in(sandbox.tracefs()?)?;
    let name = "notify_die".to_owned();
    let problem_of = problem(kernel.function(&name))?;
    ensure!(problem_of == Problem::NotTraceable { name: name.clone() });
    let nothing = problem(kernel.functions_matching(&name))?;
    ensure!(
        nothing
            == Problem::NothingMatches {
                pattern: name.clone()
            }
    );
    let address = KernelFunctions::all()?.function(&name)?.address;
    ensure!(address == Hideable::Visible(address_of(c"notify_die")?));
    // Both of a name, or all of it are left out.
    let (name, addresses) = listed::of_two(sandbox.tracefs()?)?;
    let both = kernel.functions_matching(name.to_str()?)?;
    let at: Vec<u64> = both
        .iter()
        .filter_map(|found| found.address.visible())
        .collect();
    ensure!(at == addresses, "{both:?}");
    ensure_ambiguous(kernel.function(name.to_str()?), &name, &addresses, None)
}

fn hidden_addresses(sandbox: &Sandbox) -> Result<()> {
    let tracefs = sandbox.tracefs()?;
    let [first, ..] = SYMBOLS;
    let address = address_of(first)?;
    let (twice, _) = listed::of_two(tracefs)?;
    with_hidden_addresses(|| {
        let all = KernelFunctions::all()?;
        ensure!(!all.has_addresses());
        let function = all.function(first.to_str()?)?;
        ensure!(function.address == Hideable::Hidden && all.function_at(address).is_none());
        let kernel = KernelFunctions::traceable_in(tracefs)?;
        let function = kernel.function("vfs_read")?;
        ensure!(function.address == Hideable::Hidden);
        let Err(Error::AmbiguousSymbol { symbols, .. }) = kernel.function(twice.to_str()?) else {
            anyhow::bail!("one was taken");
        };
        ensure!(symbols.iter().all(|shared| shared.addresses.is_empty()));
        Ok(())
    })
}
