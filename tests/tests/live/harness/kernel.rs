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

/// Whether the kernel is of this series, such as `6.12`, or of this series on this machine, such as
/// `aarch64 6.12`.
pub(super) fn is_of(name: &str) -> bool {
    let (machine, series) = match name.split_once(' ') {
        Some((machine, series)) => (Some(machine), series),
        None => (None, name),
    };
    let is_of_series = release()
        .strip_prefix(series)
        .is_some_and(|rest| !rest.starts_with(|character: char| character.is_ascii_digit()));
    is_of_series && machine.is_none_or(|machine| machine == std::env::consts::ARCH)
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
