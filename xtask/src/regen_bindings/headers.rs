//! Where the headers are.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use super::architectures::Architecture;
use super::generate::HEADERS;
use super::record::Debian;
use crate::debian::{self, Package, Suite};
use crate::workspace;

/// The include directory that holds the kernel's UAPI headers.
#[derive(Debug)]
pub(super) struct Headers {
    dir: PathBuf,
}

impl Headers {
    /// The headers in the include directory `dir`.
    pub(super) fn in_dir(dir: &Path) -> Result<Self> {
        ensure!(
            dir.join("linux/bpf.h").is_file(),
            "there is no linux/bpf.h in {}",
            dir.display()
        );
        let dir = dir.to_owned();
        Ok(Self { dir })
    }

    /// The headers in Debian's package, fetched if they are not there. If the recorded version is
    /// no longer served, another one of the same kernel takes its place in `debian`.
    pub(super) fn of_package(debian: &mut Debian, mirror: Option<&str>) -> Result<Self> {
        let suite = Suite::new(&workspace::target(), &debian.suite, "main", mirror);
        let mut package = Package {
            name: debian.package.clone(),
            version: debian.version.clone(),
        };
        if suite.cached(&package).is_none() {
            package.version = choose(debian, &suite.versions(&debian.package)?)?;
            if package.version != debian.version {
                eprintln!(
                    "regen-bindings: {} {} is no longer served, taking {}",
                    debian.package, debian.version, package.version
                );
                debian.version.clone_from(&package.version);
            }
        }
        let deb = suite.fetch(&package)?;
        let unpacked = deb.with_extension("unpacked");
        if !unpacked.exists() {
            debian::unpack(&deb, &unpacked)?;
        }
        eprintln!(
            "regen-bindings: headers of {} {}",
            package.name, package.version
        );
        Self::in_dir(&unpacked.join("usr/include"))
    }

    /// The directories for an architecture, in the order in which they are to be searched.
    pub(super) fn dirs(&self, architecture: &Architecture) -> Result<[PathBuf; 2]> {
        let own = self.dir.join(architecture.directory);
        ensure!(
            own.join("asm").is_dir(),
            "there is no {}/asm in {}",
            architecture.directory,
            self.dir.display()
        );
        Ok([self.dir.clone(), own])
    }

    /// Fails unless the headers are those of the Linux version `expected`.
    pub(super) fn expect_kernel(&self, expected: &str) -> Result<()> {
        let text = String::from_utf8_lossy(&self.read("linux/version.h")?).into_owned();
        let code = text
            .lines()
            .find_map(|line| line.strip_prefix("#define LINUX_VERSION_CODE "))
            .and_then(|code| code.trim().parse::<u32>().ok())
            .context("linux/version.h does not tell the version")?;
        let found = format!("{}.{}.{}", code >> 16, (code >> 8) & 0xff, code & 0xff);
        ensure!(
            found == expected,
            "these are the headers of Linux {found}, and bindings.toml asks for those of {expected}; to move, \
             change `version` there"
        );
        Ok(())
    }

    /// The SHA-256 of each header that is included by name.
    pub(super) fn sha256(&self) -> Result<BTreeMap<String, String>> {
        HEADERS
            .into_iter()
            .map(|name| Ok((name.to_owned(), hex(&Sha256::digest(self.read(name)?)))))
            .collect()
    }

    fn read(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.dir.join(name);
        fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    }
}

/// The version to take of those that are served: the recorded one, or else the newest of the same
/// kernel.
fn choose(debian: &Debian, served: &[String]) -> Result<String> {
    let same_kernel = |version: &&String| Debian::kernel_of(version) == debian.kernel();
    served
        .iter()
        .find(|version| **version == debian.version)
        .or_else(|| served.iter().find(same_kernel))
        .cloned()
        .with_context(|| {
            let served = match served {
                [] => "no version".to_owned(),
                served => served.join(", "),
            };
            format!(
                "bindings.toml records {} {}, but {} serves {served}; to move to another kernel, change `version` \
                 there",
                debian.package, debian.version, debian.suite
            )
        })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded() -> Debian {
        Debian {
            package: "linux-libc-dev".to_owned(),
            suite: "trixie-backports".to_owned(),
            version: "7.3.4-1~bpo13+1".to_owned(),
        }
    }

    fn chosen(served: &[&str]) -> Result<String> {
        let served: Vec<String> = served.iter().copied().map(str::to_owned).collect();
        choose(&recorded(), &served)
    }

    #[test]
    fn the_recorded_version_is_preferred() {
        let version = chosen(&["7.3.4-2~bpo13+1", "7.3.4-1~bpo13+1"]).expect("it is served");
        assert_eq!(version, "7.3.4-1~bpo13+1");
    }

    #[test]
    fn another_package_of_the_same_kernel_will_do() {
        let version =
            chosen(&["7.4.1-1~bpo13+1", "7.3.4-2~bpo13+1"]).expect("the kernel is served");
        assert_eq!(version, "7.3.4-2~bpo13+1");
    }

    #[test]
    fn another_kernel_will_not() {
        let error = chosen(&["7.4.1-1~bpo13+1"])
            .expect_err("the kernel is not served")
            .to_string();
        assert!(
            error.contains("records linux-libc-dev 7.3.4-1~bpo13+1"),
            "{error}"
        );
        assert!(
            error.contains("trixie-backports serves 7.4.1-1~bpo13+1"),
            "{error}"
        );
    }
}
