//! Functions of the kernel by what is special about their names, found in the kernel's lists.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::path::Path;

use anyhow::{Context as _, Result};

/// A function of the kernel's own, not of a module, by name and address.
fn functions() -> Result<Vec<(String, u64)>> {
    const LIST: &str = "/proc/kallsyms";
    // An address, a letter, a name, and for a module's the module.
    let list = std::fs::read_to_string(LIST).context(LIST)?;
    let function = |line: &str| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match *words {
            [address, "t" | "T", name] => {
                Some((name.to_owned(), u64::from_str_radix(address, 16).ok()?))
            }
            _ => None,
        }
    };
    Ok(list.lines().filter_map(function).collect())
}

/// How often each name is among the functions that can be traced.
fn traceable(tracefs: &Path) -> Result<HashMap<String, usize>> {
    let list = std::fs::read_to_string(tracefs.join("available_filter_functions"))?;
    let mut found = HashMap::new();
    for name in list.lines().filter_map(|line| line.split(' ').next()) {
        *found.entry(name.to_owned()).or_insert(0) += 1;
    }
    Ok(found)
}

/// A name that two functions have, both of which can be traced, and where they are.
pub(crate) fn of_two(tracefs: &Path) -> Result<(CString, Vec<u64>)> {
    let traceable = traceable(tracefs)?;
    let mut places: HashMap<String, Vec<u64>> = HashMap::new();
    for (name, address) in functions()? {
        places.entry(name).or_default().push(address);
    }
    let mut found: Vec<_> = places
        .into_iter()
        .filter(|(name, at)| at.len() == 2 && traceable.get(name) == Some(&2))
        .collect();
    found.sort();
    let (name, at) = found.into_iter().next().context("no name is of two")?;
    Ok((CString::new(name)?, at))
}

/// A name that is not there, and the function that the compiler has made of it.
pub(crate) fn renamed(suffix: &str) -> Result<(CString, CString)> {
    let functions = functions()?;
    let is_there = |name: &str| functions.iter().any(|(other, _)| other == name);
    let found = functions.iter().find_map(|(name, _)| {
        let base = name.strip_suffix(suffix)?;
        (!base.contains('.') && !is_there(base)).then_some((base, name))
    });
    let (base, name) = found.with_context(|| format!("no function ends in {suffix}"))?;
    Ok((CString::new(base)?, CString::new(name.as_str())?))
}

/// How far it is to the next symbol from a function.
pub(crate) fn size_of(symbol: &CStr) -> Result<u64> {
    const LIST: &str = "/proc/kallsyms";
    let start = super::kernel::address_of(symbol)?;
    let list = std::fs::read_to_string(LIST).context(LIST)?;
    let addresses = list.lines().filter_map(|line| {
        let address = line.split_ascii_whitespace().next()?;
        u64::from_str_radix(address, 16).ok()
    });
    let end = addresses.filter(|address| *address > start).min();
    Ok(end.context("nothing comes after it")? - start)
}
