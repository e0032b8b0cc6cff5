//! The kernels that the tests run on when nobody says otherwise.

/// A kernel of the matrix: the newest of its series that one of the Debian suites serves.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// The version's first two numbers.
    pub(crate) series: &'static str,
    /// Where its packages are looked for.
    pub(crate) suites: &'static [&'static str],
}

/// All of them, oldest first.
pub(crate) static KERNELS: [Kernel; 4] = [
    Kernel {
        series: "5.10",
        suites: &["bullseye", "bullseye-security"],
    },
    Kernel {
        series: "6.1",
        suites: &["bookworm", "bookworm-security"],
    },
    Kernel {
        series: "6.12",
        suites: &["trixie", "trixie-security"],
    },
    Kernel {
        series: "7.3",
        suites: &["trixie-backports"],
    },
];
