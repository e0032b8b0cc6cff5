//! The examples of `bpf-link-typed`, each as a process of its own: the kernel does what the example
//! says.
//!
//! An example gets its program by the path of its pin. The programs here count their runs.

mod functions;
mod machine;
mod network;
mod running;

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use anyhow::Result;
use bpf_link_tests::{CounterMap, Hook, Loader, Sandbox, pins};

use crate::fixture::text;
use crate::harness::Listed::{self, Tests};
use crate::harness::Need;

/// What the files of this folder list.
pub(crate) const ALL: &[Listed] = &[
    Tests(functions::TESTS),
    Tests(machine::TESTS),
    Tests(network::TESTS),
];

/// What all of them need.
const EXAMPLES: &[Need] = &[Need::Examples];

/// Something that an example opens by its pin, which goes with this.
#[derive(Debug)]
struct Pinned {
    path: PathBuf,
}

impl Pinned {
    fn new(sandbox: &Sandbox, name: &str, object: &impl AsFd) -> Result<Self> {
        let path = sandbox.bpffs().join(name);
        pins::pin(object, &path)?;
        Ok(Self { path })
    }

    /// As an argument.
    fn path(&self) -> Result<&str> {
        text(&self.path)
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // What is left is reported as left.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A pinned program that counts its runs for any process, its counter, and its id.
fn counting(sandbox: &Sandbox, name: &str, hook: Hook) -> Result<(Pinned, CounterMap, u32)> {
    counting_by(sandbox, name, Loader::new(hook))
}

/// The same of a program that is loaded like this.
fn counting_by(
    sandbox: &Sandbox,
    name: &str,
    loader: Loader<'_>,
) -> Result<(Pinned, CounterMap, u32)> {
    let counter = CounterMap::new()?;
    let program = loader.named(name).counting(&counter).passing()?;
    let id = program.id()?;
    Ok((Pinned::new(sandbox, name, &program)?, counter, id))
}

/// A path below the sandbox's bpffs, for what an example pins.
fn below(sandbox: &Sandbox, name: &str) -> PathBuf {
    Path::new(sandbox.bpffs()).join(name)
}
