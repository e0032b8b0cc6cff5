//! Functions of the kernel whose names in BTF match a pattern.

use std::collections::{HashMap, HashSet};

use bpf_link::{Btf, BtfTypeId};

use super::When;
use super::kernel_functions::KernelFunctions;
use super::pattern;
use crate::error::{Error, KernelFunctionProblem, Result};

/// The kernel attaches no tracing programs to these, as they run whenever one does (`btf_id_deny`).
const DENIED: [&str; 9] = [
    "___migrate_enable",
    "__migrate_enable",
    "migrate_disable",
    "migrate_enable",
    "rcu_read_unlock_strict",
    "preempt_count_add",
    "preempt_count_sub",
    "__rcu_read_lock",
    "__rcu_read_unlock",
];

/// These never return (`noreturn_deny`).
const NEVER_RETURN: [&str; 12] = [
    "__ia32_sys_exit",
    "__ia32_sys_exit_group",
    "__kunit_abort",
    "kunit_try_catch_throw",
    "__module_put_and_kthread_exit",
    "__x64_sys_exit",
    "__x64_sys_exit_group",
    "do_exit",
    "do_group_exit",
    "kthread_complete_and_exit",
    "kthread_exit",
    "make_task_dead",
];

/// The functions that tracing programs can be attached to, in the order of their BTF ids.
pub(crate) fn matching(when: When, wanted: &str) -> Result<Vec<BtfTypeId>> {
    let (module, names) = match wanted.split_once(':') {
        Some((module, names)) => (Some(module), names),
        None => (None, wanted),
    };
    let btf = match module {
        Some(module) => Btf::of_module(module)?,
        None => Btf::of_kernel()?,
    };
    let is_meant = |name: &str| {
        let is_denied = DENIED.contains(&name);
        let is_fit = when == When::Entry || !NEVER_RETURN.contains(&name);
        pattern::matches(names, name) && !is_denied && is_fit
    };
    let kernel = KernelFunctions::traceable()?;
    let traceable = kernel.unshared(module, is_meant);
    // Names that several types of functions have are unclear as well.
    let mut by_name: HashMap<&str, Option<BtfTypeId>> = HashMap::new();
    for found in btf.functions().filter(|one| traceable.contains(one.name)) {
        let known = by_name.entry(found.name);
        known.and_modify(|id| *id = None).or_insert(Some(found.id));
    }
    let clear: HashSet<BtfTypeId> = by_name.into_values().flatten().collect();
    let mut found = btf.passable_functions()?;
    found.retain(|id| clear.contains(id));
    if found.is_empty() {
        let pattern = wanted.to_owned();
        let problem = KernelFunctionProblem::NothingMatches { pattern };
        return Err(Error::KernelFunction(Box::new(problem)));
    }
    Ok(found)
}
