//! Waiting for what the kernel does in its own time.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long the kernel is given for what it does asynchronously. It takes milliseconds; an emulated or crowded machine takes far longer.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(2);

/// Looks until `look` has found something, and gives it back.
///
/// # Errors
///
/// What `look` failed with; and that it found nothing within [`PATIENCE`].
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            bail!("not so within {PATIENCE:?}: {what}");
        }
        std::thread::sleep(PAUSE);
    }
}

/// Looks until `holds` says yes.
///
/// # Errors
///
/// What `holds` failed with; and that it did not hold within [`PATIENCE`].
pub fn eventually_holds(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    eventually(what, || Ok(holds()?.then_some(())))
}
