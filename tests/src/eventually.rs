//! Waiting for what the kernel does in its own time.

use std::time::Duration;

use anyhow::{Result, bail};

/// How long the kernel is given for what it does asynchronously. It takes milliseconds; an emulated
/// or crowded machine takes far longer.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Between the first two looks. From then on the pauses grow.
const PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(10);

/// Looks until `look` has found something, and gives it back.
///
/// What the pauses add up to counts, not what the clock says: while this machine waits for its
/// processors, as an emulated one does beside others, its kernel gets nothing done, but its clock
/// goes on.
///
/// # Errors
///
/// What `look` failed with; and that it found nothing within [`PATIENCE`].
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let (mut left, mut pause) = (PATIENCE, PAUSE);
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if left.is_zero() {
            bail!("not so within {PATIENCE:?}: {what}");
        }
        std::thread::sleep(pause);
        left = left.saturating_sub(pause);
        pause = (2 * pause).min(LONGEST_PAUSE);
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
