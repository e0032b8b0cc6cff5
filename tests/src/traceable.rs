//! Functions of the kernel that can be traced: very many.

use anyhow::{Context as _, Result};

use crate::sandbox::Sandbox;

/// Where functions of the kernel itself are that can be traced, without those that a tracing
/// program goes through.
///
/// # Errors
///
/// There is no list of them with their addresses, as there is since Linux 6.5.
pub fn traceable(sandbox: &Sandbox) -> Result<Vec<u64>> {
    // An address, a name, and the module.
    let list = sandbox.tracefs()?.join("available_filter_functions_addrs");
    let list = std::fs::read_to_string(&list).with_context(|| list.display().to_string())?;
    let of_kernel = list.lines().filter(|line| !line.ends_with(']'));
    let functions = of_kernel.filter_map(|line| line.split_once(' '));
    let functions =
        functions.filter(|(_, name)| !name.contains("rcu") && !name.contains("migrate"));
    let addresses = functions.map(|(address, _)| u64::from_str_radix(address, 16));
    Ok(addresses.collect::<Result<_, _>>()?)
}
