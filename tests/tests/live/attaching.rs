//! What the tests of attaching through the types of the kinds share.

use anyhow::Result;
use bpf_link_tests::{CounterMap, Hook, Program};
use bpf_link_typed::ProgramId;

use crate::harness::Need;

/// Holds a refusal against a pattern and an error number; the layer below is its source.
macro_rules! ensure_error {
    ($result:expr, $pattern:pat, $errno:expr) => {{
        let Err(error) = $result else {
            ::anyhow::bail!("it was not refused");
        };
        ::anyhow::ensure!(matches!(error, $pattern), "{error:?}");
        ::anyhow::ensure!(error.errno() == $errno, "{error:?}");
        if !matches!(error, ::bpf_link_typed::Error::Link(_)) {
            ::anyhow::ensure!(std::error::Error::source(&error).is_some(), "{error:?}");
        }
    }};
}
pub(crate) use ensure_error;

/// A program that counts, and its counter.
pub(crate) fn counting(hook: Hook) -> Result<(Program, CounterMap)> {
    let counter = CounterMap::new()?;
    Ok((Program::counting(hook, &counter)?, counter))
}

pub(crate) fn id_of(program: &Program) -> Result<Option<ProgramId>> {
    Ok(ProgramId::new(program.id()?))
}

/// Whether the counter counts while this is done.
pub(crate) fn counts(counter: &CounterMap, event: impl FnOnce() -> Result<()>) -> Result<bool> {
    let before = counter.read()?;
    event()?;
    Ok(counter.read()? > before)
}

/// What this kernel reports: the value since that Linux, nothing before.
pub(crate) fn since<T>(major: u32, minor: u32, value: T) -> Result<Option<T>> {
    let reported = Need::Linux(major, minor).missing()?.is_none();
    Ok(reported.then_some(value))
}

/// Whether the counter counts while this thread gives way to others.
pub(crate) fn counts_switches(counter: &CounterMap) -> Result<bool> {
    counts(counter, || {
        for _ in 0..100 {
            std::thread::sleep(std::time::Duration::from_micros(10));
        }
        Ok(())
    })
}
