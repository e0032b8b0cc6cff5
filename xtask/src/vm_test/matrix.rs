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

    #[test]
    fn the_readme_has_the_matrix() {
        let readme = fs::read_to_string(workspace::root().join("README.md")).expect("README.md");
        for Kernel { series, suites } in &KERNELS {
            let row = format!(
                "| {series} | {} | {} |",
                suites.join(", "),
                kinds(series).len()
            );
            assert!(
                readme.lines().any(|line| line == row),
                "README.md has no row {row}"
            );
        }
    }
}
