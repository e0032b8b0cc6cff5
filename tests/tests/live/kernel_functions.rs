//! Functions of the kernel by name, by pattern, and by system call: what is found, and what a
//! program is attached to.

mod found;
mod kprobe;
mod many;
mod tracing_multi;

use anyhow::Result;
use bpf_link_typed::{Error, KernelFunctionProblem};

use crate::harness::Listed::{self, Tests};
use crate::harness::Need;

/// What the files of this folder list.
pub(crate) const ALL: &[Listed] = &[
    Tests(found::TESTS),
    Tests(kprobe::TESTS),
    Tests(many::TESTS),
    Tests(tracing_multi::TESTS),
];

/// The list of what can be traced. Machines that refuse kprobes refuse that, too.
const LIST: &[Need] = &[Need::Function("register_kprobe")];

/// The problem that a refusal is about.
fn problem<T: std::fmt::Debug>(result: bpf_link_typed::Result<T>) -> Result<KernelFunctionProblem> {
    match result {
        Err(Error::KernelFunction(problem)) => Ok(*problem),
        result => anyhow::bail!("{result:?}"),
    }
}
