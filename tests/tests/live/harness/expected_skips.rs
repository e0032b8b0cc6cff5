//! Which tests may be skipped on which kernel.

use std::fmt;

/// Tests that one series of kernels cannot run.
#[derive(Debug)]
pub(super) struct ExpectedSkip {
    /// The series, such as `6.12`.
    pub(super) kernel: &'static str,
    /// The test, or `file::*` for all tests of a file. Each of them has to be skipped.
    pub(super) test: &'static str,
    /// Why.
    pub(super) reason: &'static str,
}

/// A line of the table.
const fn skip(kernel: &'static str, test: &'static str, reason: &'static str) -> ExpectedSkip {
    ExpectedSkip {
        kernel,
        test,
        reason,
    }
}

/// The test that everything in the bindings of links is in the kernel.
const BINDINGS: &str = "abi::links_are_those_of_this_kernel";

/// The table: a line for each kernel and test, or file of tests.
///
/// Linux 6.18 is the machine that the project is built on; the others are the distribution's kernels that `cargo xtask vm-test` boots.
pub(super) const EXPECTED_SKIPS: &[ExpectedSkip] = &[
    skip("5.10", BINDINGS, "the bindings are of Linux 7.3"),
    skip("6.1", BINDINGS, "the bindings are of Linux 7.3"),
    skip("6.12", BINDINGS, "the bindings are of Linux 7.3"),
    skip("6.18", BINDINGS, "the bindings are of Linux 7.3"),
    skip("6.18", "hooks::kprobe_multi", "built without CONFIG_FPROBE"),
    skip("6.18", "hooks::lsm", "refuses programs on its functions"),
    skip("6.18", "hooks::netkit", "built without CONFIG_NETKIT"),
    skip(
        "6.18",
        "hooks::tracing",
        "refuses programs on its functions",
    ),
    skip("6.18", "hooks::tracing_multi", "since Linux 7.2"),
];

impl ExpectedSkip {
    /// Whether it is about the test of this name.
    pub(super) fn is_about(&self, test: &str) -> bool {
        match self.test.strip_suffix('*') {
            Some(file) => test.starts_with(file),
            None => test == self.test,
        }
    }
}

impl fmt::Display for ExpectedSkip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kernel,
            test,
            reason,
        } = self;
        write!(
            f,
            "expected on Linux {kernel} that {test} is skipped ({reason})"
        )
    }
}
