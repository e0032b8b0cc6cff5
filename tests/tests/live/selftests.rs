//! The kernel's own tests of links, by what they assert, and the tests here that assert the same
//! through the libraries.
//!
//! The kernel's are under `tools/testing/selftests/bpf/prog_tests` of Linux 7.3. What had no
//! equivalent in the files of the kinds is in the files of this directory.

mod cgroups;
pub(crate) mod classic_tc;
mod network;
mod others;
mod table;
mod tracing;

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use bpf_link_tests::Sandbox;

use crate::harness::Listed::{self, Tests};
use crate::harness::{Test, test};
use table::SELFTESTS;

/// What this file and those of its folder list.
pub(crate) const ALL: &[Listed] = &[
    Tests(TESTS),
    Tests(cgroups::TESTS),
    Tests(classic_tc::TESTS),
    Tests(network::TESTS),
    Tests(others::TESTS),
    Tests(tracing::TESTS),
];

const TESTS: &[Test] = &[test!(the_table_is_true)];

/// Every row names tests, every test that it names is there, and every test of this directory is in
/// a row.
fn the_table_is_true(_sandbox: &Sandbox) -> Result<()> {
    let tests: BTreeSet<String> = Listed::tests(crate::ALL)
        .into_iter()
        .map(Test::name)
        .collect();
    let mut named = BTreeSet::new();
    for row in SELFTESTS {
        ensure!(!row.tests.is_empty(), "{}: {}", row.file, row.asserts);
        for name in row.tests {
            ensure!(
                tests.contains(*name),
                "{}: there is no test {name}",
                row.file
            );
            named.insert(*name);
        }
    }
    let ours =
        |name: &&String| name.starts_with("selftests::") && !name.ends_with("::the_table_is_true");
    for name in tests.iter().filter(ours) {
        ensure!(named.contains(name.as_str()), "{name} is in no row");
    }
    Ok(())
}
