//! The words in which links are shown, for a line.

use std::ffi::CStr;
use std::path::PathBuf;

use bpf_link_typed::inspect::{Holder, LinkDescription};
use bpf_link_typed::{KernelFunction, MapId};

/// How many functions are named.
pub(crate) const NAMED: usize = 3;
pub(crate) const DETACHED: &str = "(detached)";
pub(crate) const UNKNOWN: &str = "(unknown)";

/// The program: its id and its name.
pub(crate) fn program(link: &LinkDescription<'_>) -> Option<String> {
    let id = link.info.program_id()?;
    Some(with_name(id.get(), program_name(link)))
}

/// A process that holds a link.
pub(crate) fn holder(holder: &Holder) -> String {
    format!("{} ({})", holder.comm().to_string_lossy(), holder.pid())
}

pub(crate) fn program_name(link: &LinkDescription<'_>) -> Option<String> {
    let name = link.names.program_name(link.info.program_id()?)?;
    Some(lossy(&name))
}

/// The function that an address is in, or the address.
pub(crate) fn address_name(link: &LinkDescription<'_>, address: u64) -> String {
    let Some(symbol) = link.names.kernel_function(address) else {
        return format!("{address:#x}");
    };
    let offset = if symbol.is_entry() { 0 } else { symbol.offset };
    let KernelFunction { name, module, .. } = symbol.function;
    let place = place(name, offset);
    match module {
        Some(module) => format!("{place} [{module}]"),
        None => place,
    }
}

pub(crate) fn place(function: String, offset: u64) -> String {
    if offset == 0 {
        function
    } else {
        format!("{function}+{offset:#x}")
    }
}

pub(crate) fn functions(count: Option<u32>, is_return: bool, mut names: Vec<String>) -> String {
    let Some(count) = count else {
        return UNKNOWN.to_owned();
    };
    let functions = if count == 1 { "function" } else { "functions" };
    let at_return = if is_return { ", on return" } else { "" };
    if names.is_empty() {
        return format!("{count} {functions}{at_return}");
    }
    if names.len() < count as usize {
        names.push("...".to_owned());
    }
    format!("{count} {functions}{at_return}: {}", names.join(", "))
}

pub(crate) fn cgroup(link: &LinkDescription<'_>, id: u64) -> String {
    link.names.cgroup(id).map_or_else(
        || format!("cgroup {id}"),
        |path| path.to_string_lossy().into_owned(),
    )
}

pub(crate) fn map(link: &LinkDescription<'_>, id: MapId) -> String {
    let name = link.names.map(id).map(|map| lossy(&map.name));
    format!("map {}", with_name(id.get(), name))
}

pub(crate) fn with_name(id: u32, name: Option<String>) -> String {
    match name {
        Some(name) if !name.is_empty() => format!("{id} {name}"),
        _ => id.to_string(),
    }
}

pub(crate) fn or_unknown(text: Option<String>) -> String {
    text.unwrap_or_else(|| UNKNOWN.to_owned())
}

pub(crate) fn lossy(name: &CStr) -> String {
    name.to_string_lossy().into_owned()
}

/// The lines below a link: where it is pinned, and who holds it.
pub(crate) fn below(pins: Option<&[PathBuf]>, holders: Option<&[Holder]>) -> Vec<String> {
    let pins = pins.unwrap_or_default().iter();
    let pins = pins.map(|path| format!("pinned at {}", path.to_string_lossy()));
    let holders = holders.unwrap_or_default().iter();
    let holders = holders.map(|one| format!("held by {}", holder(one)));
    pins.chain(holders).collect()
}
