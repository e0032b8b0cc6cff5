//! `bpf-link-sys/bindings.toml`: the record of what the committed bindings were generated from and
//! with.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::workspace;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    /// The exact version of bindgen.
    pub(super) bindgen: String,
    /// Where the headers come from.
    pub(super) debian: Debian,
    /// The SHA-256 of each header that is included by name.
    #[serde(default)]
    pub(super) sha256: BTreeMap<String, String>,
}

/// A package of headers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Debian {
    pub(super) package: String,
    pub(super) suite: String,
    pub(super) version: String,
}

impl Debian {
    /// The version of the kernel whose headers these are.
    pub(super) fn kernel(&self) -> &str {
        Self::kernel_of(&self.version)
    }

    /// The version of the kernel in a version of the package: what is before the revision.
    pub(super) fn kernel_of(version: &str) -> &str {
        version
            .rsplit_once('-')
            .map_or(version, |(upstream, _revision)| upstream)
    }
}

impl Record {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("{} is not as expected", path.display()))
    }

    pub(super) fn to_toml(&self) -> String {
        let Self {
            bindgen,
            debian:
                Debian {
                    package,
                    suite,
                    version,
                },
            sha256,
        } = self;
        let mut text = format!(
            r#"# What src/bindings.rs is generated from, and with. `cargo xtask regen-bindings` writes this file; `--check`
# holds the headers and bindgen to it. To move to another kernel, change `version` and regenerate.

bindgen = "{bindgen}"

[debian]
package = "{package}"
suite = "{suite}"
version = "{version}"

[sha256]
"#
        );
        for (header, digest) in sha256 {
            let _ = writeln!(text, "\"{header}\" = \"{digest}\"");
        }
        text
    }

    /// What is not as recorded in `current`, a line each. Another package of the same kernel is no
    /// difference.
    pub(super) fn differences(&self, current: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        if self.bindgen != current.bindgen {
            differences.push(format!(
                "bindgen: {} is recorded, {} is used",
                self.bindgen, current.bindgen
            ));
        }
        let none = "nothing".to_owned();
        let mut headers: Vec<&String> = self.sha256.keys().chain(current.sha256.keys()).collect();
        headers.sort();
        headers.dedup();
        for header in headers {
            let recorded = self.sha256.get(header).unwrap_or(&none);
            let used = current.sha256.get(header).unwrap_or(&none);
            if recorded != used {
                differences.push(format!(
                    "{header}: SHA-256 {recorded} is recorded, {used} is used"
                ));
            }
        }
        differences
    }
}

/// The version of the dependency `name` that Cargo.lock pins.
pub(super) fn locked_version(name: &str) -> Result<String> {
    #[derive(Deserialize)]
    struct Lock {
        package: Vec<Locked>,
    }
    #[derive(Deserialize)]
    struct Locked {
        name: String,
        version: String,
    }
    let text = fs::read_to_string(workspace::root().join("Cargo.lock"))
        .context("cannot read Cargo.lock")?;
    let lock: Lock = toml::from_str(&text).context("Cargo.lock is not as expected")?;
    lock.package
        .into_iter()
        .find(|package| package.name == name)
        .map(|package| package.version)
        .with_context(|| format!("Cargo.lock has no {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            bindgen: "0.1.2".to_owned(),
            debian: Debian {
                package: "linux-libc-dev".to_owned(),
                suite: "trixie-backports".to_owned(),
                version: "7.3.4-1~bpo13+1".to_owned(),
            },
            sha256: BTreeMap::from([("linux/bpf.h".to_owned(), "00ff".to_owned())]),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let read: Record = toml::from_str(&record().to_toml()).expect("it is TOML");
        assert_eq!(read, record());
    }

    #[test]
    fn the_kernel_is_what_is_before_the_revision() {
        assert_eq!(record().debian.kernel(), "7.3.4");
        assert_eq!(Debian::kernel_of("6.19~rc1-1~exp1"), "6.19~rc1");
    }

    #[test]
    fn each_difference_is_told() {
        let mut current = record();
        current.debian.version = "7.3.4-2".to_owned();
        assert_eq!(record().differences(&current), Vec::<String>::new());
        current.bindgen = "0.1.3".to_owned();
        current.sha256 = BTreeMap::from([("linux/btf.h".to_owned(), "11".to_owned())]);
        assert_eq!(
            record().differences(&current),
            [
                "bindgen: 0.1.2 is recorded, 0.1.3 is used",
                "linux/bpf.h: SHA-256 00ff is recorded, nothing is used",
                "linux/btf.h: SHA-256 nothing is recorded, 11 is used",
            ]
        );
    }
}
