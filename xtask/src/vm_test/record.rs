//! The lines that leave the guest over its second serial port: JSON, one object each. The test
//! binaries write those of their tests and the one with `end`, the init (`vm-init.rs` in the tests'
//! package) writes the others.

use serde::Deserialize;

/// One line.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Record {
    Boot {
        boot: Uname,
    },
    /// Something that some test may miss.
    Note {
        note: String,
    },
    /// A test binary begins.
    Start {
        start: String,
    },
    Test {
        test: String,
        outcome: Outcome,
        detail: Option<String>,
    },
    /// What the kernel says of a link, for the fixtures.
    Golden {
        golden: serde_json::Value,
    },
    /// All tests of a binary have been reported: what it has counted itself.
    End {
        #[expect(dead_code, reason = "tells the object from others, and is always true")]
        end: bool,
        #[serde(flatten)]
        counts: Counts,
    },
    /// A test binary has ended, in `ExitStatus`'s words.
    Exit {
        exit: String,
        status: String,
    },
    /// The init could not go on.
    Error {
        error: String,
    },
    /// Everything has been run.
    Done {
        #[expect(dead_code, reason = "tells the object from others, and is always true")]
        done: bool,
    },
}

/// The kernel's `release` (`6.12.117+deb13-cloud-amd64`) and `version`
/// (`#1 SMP Debian 6.12.117-1 (2026-09-01)`).
#[derive(Debug, Deserialize)]
pub(crate) struct Uname {
    pub(crate) release: String,
    pub(crate) version: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    Passed,
    Failed,
    Skipped,
}

/// How many tests ended in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Counts {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl Uname {
    /// The upstream version. Debian's releases may name the ABI instead of it
    /// (`5.10.0-46-cloud-amd64`), and then the version of the package has it.
    pub(crate) fn upstream(&self) -> &str {
        let words = self
            .version
            .split_once("Debian ")
            .map_or(self.release.as_str(), |(_, package)| package);
        let end = words
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(words.len());
        words.get(..end).unwrap_or(words)
    }
}

impl Counts {
    pub(crate) fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Failed => self.failed += 1,
            Outcome::Skipped => self.skipped += 1,
        }
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            passed,
            failed,
            skipped,
        } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

#[cfg(test)]
mod tests {
    use super::Uname;

    fn upstream(release: &str, version: &str) -> String {
        Uname {
            release: release.into(),
            version: version.into(),
        }
        .upstream()
        .to_owned()
    }

    #[test]
    fn debian_says_the_upstream_version_in_the_package_version() {
        assert_eq!(
            upstream(
                "5.10.0-46-cloud-amd64",
                "#1 SMP Debian 5.10.262-1 (2026-08-20)"
            ),
            "5.10.262"
        );
        assert_eq!(
            upstream(
                "7.3.4+deb13-cloud-amd64",
                "#1 SMP Debian 7.3.4-1~bpo13+1 (2026-11-02)"
            ),
            "7.3.4"
        );
    }

    #[test]
    fn other_kernels_say_it_in_the_release() {
        assert_eq!(
            upstream("6.18.44-fc-v657", "#1 SMP PREEMPT_DYNAMIC"),
            "6.18.44"
        );
        assert_eq!(upstream("7.4.0-rc1", "#7"), "7.4.0");
    }
}
