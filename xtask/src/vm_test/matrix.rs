//! The kernels that the tests run on when nobody says otherwise.

use super::platform::{AARCH64_MACHINE, Platform, RISCV64_MACHINE, S390X_MACHINE, X86_64_MACHINE};

/// A kernel of the matrix: the newest of its series that one of the Debian suites serves.
#[derive(Debug)]
pub(crate) struct Kernel {
    pub(crate) platform: &'static Platform,
    /// What it is called on its platform: the version's first two numbers, and what tells it from
    /// another build of them.
    pub(crate) name: &'static str,
    /// How Debian has built it: what the names of its packages end in.
    pub(crate) flavour: &'static str,
    /// Where its packages are looked for.
    pub(crate) suites: &'static [&'static str],
    /// When it runs.
    pub(crate) runs: Runs,
}

impl Kernel {
    /// The version's first two numbers.
    pub(crate) fn series(&self) -> &'static str {
        self.name.split('-').next().unwrap_or(self.name)
    }

    /// What it is called among the kernels of all platforms.
    pub(crate) fn full_name(&self) -> String {
        if self.platform.is_own() {
            self.name.to_owned()
        } else {
            format!("{}-{}", self.platform.name(), self.name)
        }
    }
}

/// When a kernel runs that nobody named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runs {
    Always,
    /// In the long form only. It comes between two kernels that always run, just before or after a
    /// change to links.
    InLongForm,
    /// Only when it is named. What it is for does not work there yet.
    WhenNamed,
}

/// Where Debian has the kernels of each release.
const BULLSEYE: &[&str] = &["bullseye", "bullseye-security"];
const BOOKWORM: &[&str] = &["bookworm", "bookworm-security"];
const TRIXIE: &[&str] = &["trixie", "trixie-security"];
const BACKPORTS: &[&str] = &["trixie-backports"];

/// All of them: for each platform, oldest first.
pub(crate) static KERNELS: [Kernel; 13] = [
    Kernel {
        platform: &X86_64_MACHINE,
        name: "5.10",
        flavour: "cloud-amd64",
        suites: BULLSEYE,
        runs: Runs::Always,
    },
    Kernel {
        platform: &X86_64_MACHINE,
        name: "6.1",
        flavour: "cloud-amd64",
        suites: BOOKWORM,
        runs: Runs::Always,
    },
    Kernel {
        platform: &X86_64_MACHINE,
        name: "6.12",
        flavour: "cloud-amd64",
        suites: TRIXIE,
        runs: Runs::Always,
    },
    // Before cgroups have positions and revisions, and without `bpf_destroy_inode`.
    Kernel {
        platform: &X86_64_MACHINE,
        name: "6.16",
        flavour: "cloud-amd64",
        suites: BACKPORTS,
        runs: Runs::InLongForm,
    },
    // Has tracing_multi, but no info about such links.
    Kernel {
        platform: &X86_64_MACHINE,
        name: "7.2",
        flavour: "cloud-amd64",
        suites: BACKPORTS,
        runs: Runs::InLongForm,
    },
    Kernel {
        platform: &X86_64_MACHINE,
        name: "7.3",
        flavour: "cloud-amd64",
        suites: BACKPORTS,
        runs: Runs::Always,
    },
    Kernel {
        platform: &AARCH64_MACHINE,
        name: "5.10",
        flavour: "cloud-arm64",
        suites: BULLSEYE,
        runs: Runs::Always,
    },
    Kernel {
        platform: &AARCH64_MACHINE,
        name: "6.1",
        flavour: "cloud-arm64",
        suites: BOOKWORM,
        runs: Runs::Always,
    },
    Kernel {
        platform: &AARCH64_MACHINE,
        name: "6.12",
        flavour: "cloud-arm64",
        suites: TRIXIE,
        runs: Runs::Always,
    },
    // With pages of 16 KiB, where the tests' own uprobes do not run.
    Kernel {
        platform: &AARCH64_MACHINE,
        name: "6.12-16k",
        flavour: "arm64-16k",
        suites: TRIXIE,
        runs: Runs::WhenNamed,
    },
    Kernel {
        platform: &AARCH64_MACHINE,
        name: "7.3",
        flavour: "cloud-arm64",
        suites: BACKPORTS,
        runs: Runs::Always,
    },
    // The tests of kprobes fail: this kernel refuses a kprobe at the start of a function.
    Kernel {
        platform: &RISCV64_MACHINE,
        name: "6.12",
        flavour: "riscv64",
        suites: TRIXIE,
        runs: Runs::WhenNamed,
    },
    Kernel {
        platform: &S390X_MACHINE,
        name: "6.12",
        flavour: "s390x",
        suites: TRIXIE,
        runs: Runs::Always,
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;
    use crate::workspace;

    /// The kinds of links that this kernel has made for the fixtures.
    fn kinds(series: &str) -> BTreeSet<String> {
        let fixtures = workspace::root().join("tests/fixtures").join(series);
        let kind = |entry: std::io::Result<fs::DirEntry>| {
            let text = fs::read(entry.expect("a fixture").path()).expect("a fixture");
            let fixture: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
            fixture
                .get("kind")
                .and_then(serde_json::Value::as_str)
                .expect("a kind")
                .to_owned()
        };
        fs::read_dir(fixtures)
            .expect("fixtures")
            .map(kind)
            .collect()
    }

    /// Each row has the architectures, the number of kinds, and the names of those that no older
    /// kernel of the matrix makes.
    #[test]
    fn the_readme_has_the_matrix() {
        let readme = fs::read_to_string(workspace::root().join("README.md")).expect("README.md");
        let mut older = BTreeSet::new();
        let matrix = KERNELS
            .iter()
            .filter(|kernel| kernel.platform.is_own() && kernel.runs == Runs::Always);
        for Kernel {
            name: series,
            suites,
            ..
        } in matrix
        {
            let kinds = kinds(series);
            let machines: Vec<&str> = KERNELS
                .iter()
                .filter(|kernel| kernel.name == *series && kernel.runs == Runs::Always)
                .map(|kernel| kernel.platform.name())
                .collect();
            let start = format!(
                "| {series} | {} | {} | {}: ",
                machines.join(", "),
                suites.join(", "),
                kinds.len()
            );
            let Some(list) = readme.lines().find_map(|line| line.strip_prefix(&start)) else {
                panic!("README.md has no row that starts with {start}");
            };
            let named: BTreeSet<String> = list
                .split('`')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect();
            let newer: BTreeSet<String> = kinds.difference(&older).cloned().collect();
            assert_eq!(named, newer, "README.md on Linux {series}");
            older = kinds;
        }
        for kernel in KERNELS.iter().filter(|kernel| kernel.runs == Runs::Always) {
            let has_row = |row: &Kernel| row.platform.is_own() && row.name == kernel.name;
            assert!(KERNELS.iter().any(has_row), "{kernel:?} is in no row");
        }
    }
}
