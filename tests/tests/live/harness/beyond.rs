//! `BPF_LINK_BEYOND=6.18`: only the tests that a kernel of this series cannot run, by what it does
//! not have. For kernels in emulation, where all tests take long, if all run on that series too.

use anyhow::{Context as _, Result};

use super::absent::ABSENT;
use super::{Need, Test};

const VARIABLE: &str = "BPF_LINK_BEYOND";

/// A series of kernels, such as `6.18`.
#[derive(Debug)]
pub(super) struct Series {
    name: String,
    version: (u32, u32),
}

impl Series {
    /// The one that the variable names, if it is set.
    pub(super) fn from_environment() -> Result<Option<Self>> {
        let Ok(name) = std::env::var(VARIABLE) else {
            return Ok(None);
        };
        let numbers = name.split_once('.');
        let version =
            numbers.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
        let version = version.with_context(|| format!("{VARIABLE}={name} is no series"))?;
        Ok(Some(Self { name, version }))
    }

    /// Whether its kernels cannot run this test.
    pub(super) fn cannot_run(&self, test: &Test) -> bool {
        test.all_needs().any(|need| self.lacks(need))
    }

    fn lacks(&self, need: Need) -> bool {
        match need {
            Need::Linux(major, minor) => (major, minor) > self.version,
            Need::Before(major, minor) => (major, minor) <= self.version,
            Need::OwnKernel => true,
            Need::Machine(_) | Need::NoOops => false,
            Need::Without(need) => !self.lacks(*need),
            _ => ABSENT
                .iter()
                .any(|absent| absent.need == need && absent.kernels.contains(&&*self.name)),
        }
    }
}
