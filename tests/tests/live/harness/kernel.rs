//! The kernel's release.

use anyhow::{Context as _, Result};

/// The kernel's release, such as `6.12.107-cloud-amd64`.
pub(super) fn release() -> String {
    rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned()
}

/// The first two numbers of the kernel's release.
pub(super) fn version() -> Result<(u32, u32)> {
    let release = release();
    let mut numbers = release.split(|character: char| !character.is_ascii_digit());
    let mut next = || numbers.next()?.parse().ok();
    next()
        .zip(next())
        .with_context(|| format!("the kernel's release is {release}"))
}

/// Whether the kernel's release belongs to a series, such as `6.12`.
pub(super) fn is_of(series: &str) -> bool {
    release()
        .strip_prefix(series)
        .is_some_and(|rest| !rest.starts_with(|character: char| character.is_ascii_digit()))
}

/// Whether the kernel has had an oops since it booted.
pub(super) fn has_had_an_oops() -> Result<bool> {
    /// `TAINT_DIE`
    const DIED: u64 = 1 << 7;
    const FILE: &str = "/proc/sys/kernel/tainted";
    let taint: u64 = std::fs::read_to_string(FILE)
        .context(FILE)?
        .trim()
        .parse()?;
    Ok(taint & DIED != 0)
}
