//! Which tests may run at the same time.
//!
//! A test that opens a link of another keeps it alive for that moment, and a test that has
//! just closed it sees it stay. So tests that walk all links run alone: alone in this process, and
//! alone on the machine, where other test binaries may be running.

use std::fs::File;
use std::sync::{PoisonError, RwLock};

use anyhow::{Context as _, Result};
use rustix::fs::FlockOperation;

/// What all test binaries on this kernel lock: a directory that every kernel has, and has once.
const MACHINE: &str = "/sys/kernel";

/// The tests of this process. The machine's lock would do, but lets those who run together starve
/// those who run alone.
///
/// It protects nothing that a panic could have broken.
static PROCESS: RwLock<()> = RwLock::new(());

/// Does a test's work when it is its turn.
pub(super) fn take<T>(alone: bool, work: impl FnOnce() -> Result<T>) -> Result<T> {
    if alone {
        let _process = PROCESS.write().unwrap_or_else(PoisonError::into_inner);
        let _machine = lock_machine(FlockOperation::LockExclusive)?;
        work()
    } else {
        let _process = PROCESS.read().unwrap_or_else(PoisonError::into_inner);
        let _machine = lock_machine(FlockOperation::LockShared)?;
        work()
    }
}

/// Locks the machine until the file is closed.
fn lock_machine(operation: FlockOperation) -> Result<File> {
    let machine = File::open(MACHINE).context(MACHINE)?;
    rustix::fs::flock(&machine, operation).with_context(|| format!("locking {MACHINE}"))?;
    Ok(machine)
}
