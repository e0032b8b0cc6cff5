//! The private state of one suite, and apt's tools run on it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::package::Package;
use crate::command;

/// The keys that Debian's index is signed with, from the package `debian-archive-keyring`, which
/// Ubuntu has too.
const KEYRINGS: [&str; 2] = [
    "/usr/share/keyrings/debian-archive-keyring.gpg",
    "/usr/share/keyrings/debian-archive-keyring.pgp",
];

/// What is taken over from the machine's configuration of apt: how the network is reached, and
/// whether an index may be old, as it is on a mirror of the past. Hooks are not: they work on the
/// system's files.
const INHERITED: [&str; 6] = [
    "Acquire::http",
    "Acquire::https",
    "Acquire::Retries",
    "Acquire::ForceIPv",
    "Acquire::Check-Valid-Until",
    "Acquire::Check-Date",
];

/// apt with everything that it writes in `dir`.
#[derive(Debug)]
pub(super) struct Apt {
    dir: PathBuf,
    /// Debian's name of the architecture that the packages are for.
    architecture: String,
}

impl Apt {
    pub(super) fn new(dir: PathBuf, architecture: &str) -> Self {
        Self {
            dir,
            architecture: architecture.to_owned(),
        }
    }

    /// Writes the configuration and the one source.
    pub(super) fn configure(&self, mirror: &str, suite: &str, component: &str) -> Result<()> {
        let keyring = KEYRINGS
            .into_iter()
            .find(|keyring| Path::new(keyring).is_file())
            .context("Debian's keys are missing: install the package debian-archive-keyring")?;
        for sub in ["lists/partial", "cache/archives/partial"] {
            let dir = self.dir.join(sub);
            fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        }
        let architecture = &self.architecture;
        let source =
            format!("deb [arch={architecture} signed-by={keyring}] {mirror} {suite} {component}\n");
        fs::write(self.dir.join("sources.list"), source)?;
        let dump = command::run(command::new("apt-config").arg("dump"))?;
        fs::write(self.config(), self.configuration(&dump)?)?;
        Ok(())
    }

    pub(super) fn update(&self) -> Result<()> {
        command::run(self.tool("apt-get").arg("update")).map(drop)
    }

    /// The names that begin with `prefix`; some may be of packages that are not served.
    pub(super) fn names(&self, prefix: &str) -> Result<Vec<String>> {
        let names = command::run(self.tool("apt-cache").args(["pkgnames", prefix]))?;
        Ok(names.lines().map(str::to_owned).collect())
    }

    /// The packages that are served under the given names, for each name newest first.
    pub(super) fn served(&self, names: &[&str]) -> Result<Vec<Package>> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let table = command::run(self.tool("apt-cache").arg("madison").args(names))?;
        Ok(table.lines().filter_map(package).collect())
    }

    /// What would be installed if these were, where nothing is.
    pub(super) fn closure(&self, names: &[&str]) -> Result<Vec<Package>> {
        let mut apt = self.tool("apt-get");
        apt.args(["install", "--simulate", "--no-install-recommends"]);
        let plan = command::run(apt.args(names))?;
        Ok(plan.lines().filter_map(installed).collect())
    }

    /// Downloads the package's `.deb` into `dir`.
    pub(super) fn download(&self, package: &Package, dir: &Path) -> Result<()> {
        let mut apt = self.tool("apt-get");
        apt.arg("download")
            .arg(format!("{}={}", package.name, package.version))
            .current_dir(dir);
        command::run(&mut apt).map(drop)
    }

    fn tool(&self, name: &str) -> Command {
        let mut tool = command::new(name);
        tool.env("APT_CONFIG", self.config());
        tool
    }

    fn config(&self) -> PathBuf {
        self.dir.join("apt.conf")
    }

    /// The configuration, given the machine's.
    fn configuration(&self, machine: &str) -> Result<String> {
        let dir = self
            .dir
            .to_str()
            .context("the target directory is not UTF-8")?;
        ensure!(!dir.contains('"'), "the target directory has a quote in it");
        let architecture = &self.architecture;
        let mut config = String::new();
        for line in machine.lines() {
            if INHERITED.iter().any(|key| line.starts_with(key)) {
                let _ = writeln!(config, "{line}");
            }
        }
        let _ = write!(
            config,
            r#"
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::sourcelist "{dir}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "{dir}";
Dir::State::lists "{dir}/lists";
Dir::State::status "/dev/null";
Dir::Cache "{dir}/cache";
APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; }};
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
"#
        );
        Ok(config)
    }
}

/// A line of `apt-cache madison`: `name | version | where from`.
fn package(line: &str) -> Option<Package> {
    let mut columns = line.split('|').map(str::trim);
    Some(Package {
        name: columns.next()?.to_owned(),
        version: columns.next()?.to_owned(),
    })
}

/// A line of what apt simulates: `Inst name (version where from)`.
fn installed(line: &str) -> Option<Package> {
    let (name, rest) = line.strip_prefix("Inst ")?.split_once(" (")?;
    Some(Package {
        name: name.to_owned(),
        version: rest.split(' ').next()?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_is_inherited_and_hooks_are_not() {
        let machine = "Acquire::http::Proxy \"http://proxy:3128\";\n\
            Acquire::Languages:: \"de\";\n\
            APT::Update::Post-Invoke:: \"rm -f /var/cache/apt/archives/*.deb\";\n";
        let config = Apt::new("/t".into(), "arm64")
            .configuration(machine)
            .expect("a plain path");
        assert!(config.contains("Acquire::http::Proxy \"http://proxy:3128\";"));
        assert!(!config.contains("\"de\""));
        assert!(!config.contains("Post-Invoke"));
        assert!(config.contains("Dir::State::lists \"/t/lists\";"));
        assert!(config.contains("APT::Architecture \"arm64\";"));
    }

    #[test]
    fn a_line_of_madison() {
        let line =
            " linux-libc-dev | 7.3.4-1~bpo13+1 | mirror trixie-backports/main amd64 Packages";
        let expected = Package {
            name: "linux-libc-dev".to_owned(),
            version: "7.3.4-1~bpo13+1".to_owned(),
        };
        assert_eq!(package(line), Some(expected));
        assert_eq!(package("no column"), None);
    }

    #[test]
    fn a_line_of_a_simulation() {
        let line = "Inst libz3-4 (4.13.3-1 Debian:13.2/stable [amd64]) []";
        let expected = Package {
            name: "libz3-4".to_owned(),
            version: "4.13.3-1".to_owned(),
        };
        assert_eq!(installed(line), Some(expected));
        assert_eq!(installed("Conf libz3-4 (4.13.3-1 Debian [amd64])"), None);
    }
}
