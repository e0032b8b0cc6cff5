//! Functions of the kernel that tracing programs are tested with.

use std::os::fd::AsFd as _;

use anyhow::{Context as _, Result, bail};
use bpf_link_tests::{Hook, KernelBtf, Loader, Program, sys};
use bpf_link_typed::{BtfTypeId, Error};

/// Functions that are there for tests: running a tracing program calls them. Not in the order of
/// their ids.
pub(crate) const FUNCTIONS: [&str; 3] =
    ["bpf_fentry_test3", "bpf_fentry_test1", "bpf_fentry_test2"];

/// One of them.
pub(crate) const FUNCTION: &str = "bpf_fentry_test1";

/// A function whose value can be changed: [`ask_for_a_process_group`] calls it.
pub(crate) const CHANGEABLE: &str = "security_task_getpgid";

/// The number of the type of the kernel's function of this name.
pub(crate) fn function_id(name: &str) -> Result<BtfTypeId> {
    let id = KernelBtf::get()?.function(name)?;
    id.and_then(BtfTypeId::new)
        .with_context(|| format!("the kernel has no function {name}"))
}

/// What has the kernel call the functions that are there for tests.
pub(crate) struct Caller(pub(crate) Program);

impl Caller {
    pub(crate) fn new() -> Result<Self> {
        let loader = Loader::new(Hook::FENTRY).function(FUNCTION)?;
        loader.passing().map(Self)
    }

    pub(crate) fn call(&self) -> Result<()> {
        sys::prog_test_run(self.0.as_fd(), &[]).context("calling the test functions")?;
        Ok(())
    }
}

/// Has the kernel call the functions that are there for tests, once.
pub(crate) fn call_test_functions() -> Result<()> {
    Caller::new()?.call()
}

/// Asks for one's own by number, as for anybody's.
pub(crate) fn ask_for_a_process_group() -> Result<()> {
    rustix::process::getpgid(Some(rustix::process::getpid()))?;
    Ok(())
}

/// Attaches programs of that sort until one is refused. Returns those that were not, with their
/// links, and the refusal.
pub(crate) fn fill<L>(
    load: impl Fn() -> Result<Program>,
    attach: impl Fn(&Program) -> Result<L, Error>,
) -> Result<(Vec<(Program, L)>, Error)> {
    let mut attached = Vec::new();
    while attached.len() < 100 {
        let program = load()?;
        match attach(&program) {
            Ok(link) => attached.push((program, link)),
            Err(error) => return Ok((attached, error)),
        }
    }
    bail!("there is no end to it")
}
