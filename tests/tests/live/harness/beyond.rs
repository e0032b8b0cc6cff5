//! `BPF_LINK_BEYOND=6.18`: only the tests that kernels of this series cannot run. For an emulated
//! kernel, where tests take long, if all tests run on that series, too.

use anyhow::Result;

use super::Test;
use super::absent::Absent;
use super::kernel::Kernel;

const VARIABLE: &str = "BPF_LINK_BEYOND";

/// The kernel on which the other tests run.
#[derive(Debug)]
pub(super) struct Beyond(Kernel);

impl Beyond {
    /// The one that the environment names, if it names one.
    pub(super) fn from_environment() -> Result<Option<Self>> {
        let series = std::env::var(VARIABLE).ok();
        let kernel = series.map(|series| Kernel::of_release(&series));
        Ok(kernel.transpose()?.map(Self))
    }

    /// Whether it lacks something that the test needs.
    pub(super) fn is_wanted(&self, test: &Test) -> bool {
        test.all_needs().any(|need| Absent::lacks(&self.0, need))
    }
}
