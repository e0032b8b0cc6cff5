//! Which kernel it is.

use anyhow::{Context as _, Result};

/// A kernel, by the first two numbers of its release.
#[derive(Debug)]
pub(super) struct Kernel {
    pub(super) version: (u32, u32),
}

impl Kernel {
    /// The one that runs here.
    pub(super) fn here() -> Result<Self> {
        let release = rustix::system::uname();
        Self::of_release(&release.release().to_string_lossy())
    }

    /// One of this release, such as `6.12.107-cloud-amd64`, or of this series, such as `6.12`, on a
    /// machine like this one.
    pub(super) fn of_release(release: &str) -> Result<Self> {
        let mut numbers = release.split(|character: char| !character.is_ascii_digit());
        let mut next = || numbers.next()?.parse().ok();
        let version = next().zip(next());
        let version = version.with_context(|| format!("{release} is no release of a kernel"))?;
        Ok(Self { version })
    }

    /// Whether it is of this series, such as `6.12`, or of this series on this machine, such as
    /// `aarch64 6.12`.
    pub(super) fn is_of(&self, name: &str) -> bool {
        let (machine, series) = match name.split_once(' ') {
            Some((machine, series)) => (Some(machine), series),
            None => (None, name),
        };
        let (major, minor) = self.version;
        series == format!("{major}.{minor}")
            && machine.is_none_or(|machine| machine == std::env::consts::ARCH)
    }
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
