//! The commands of `bpf-link`, on links of whichever kind.

mod allocations;
mod info;
mod perf_open;
mod query;
mod support;
mod under_load;
mod update;
mod walk;

use crate::harness::Listed::{self, Tests};

/// What these files list.
pub(crate) const ALL: &[Listed] = &[
    Tests(allocations::TESTS),
    Tests(info::TESTS),
    Tests(perf_open::TESTS),
    Tests(query::TESTS),
    Tests(support::TESTS),
    Tests(under_load::TESTS),
    Tests(update::TESTS),
    Tests(walk::TESTS),
];
