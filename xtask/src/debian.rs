//! Packages of Debian, fetched with apt's own tools, without touching what apt keeps for the
//! system.
//!
//! Each [`Suite`] has an apt state of its own under `target/debian/`: sources, indices,
//! configuration. Of the machine's configuration it takes over how to reach the network and, unless
//! the caller gives one, the mirror. apt verifies the signature of the index and the hash of each
//! package; a package that is there already is used without the network.

mod apt;
mod mirror;
mod package;

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::architecture::X86_64;
use crate::lock::lock;
use crate::{command, progress};
use apt::Apt;
pub(crate) use package::Package;

/// A suite of the archive, as `trixie-backports`, in one component, for one architecture.
#[derive(Debug)]
pub(crate) struct Suite {
    name: String,
    component: String,
    mirror: Option<String>,
    apt: Apt,
    packages: PathBuf,
    /// What it has is in here; tasks that run at the same time take turns.
    dir: PathBuf,
    updated: Cell<bool>,
}

impl Suite {
    /// Names a suite for amd64, whose files are to be kept under `target`; `mirror` is the base URL
    /// of the archive, or `None` for the one that this machine's apt is configured with. Touches
    /// neither disk nor network.
    pub(crate) fn new(target: &Path, name: &str, component: &str, mirror: Option<&str>) -> Self {
        Self::of_architecture(target, name, component, X86_64.debian, mirror)
    }

    /// The same for another architecture, by Debian's name of it.
    pub(crate) fn of_architecture(
        target: &Path,
        name: &str,
        component: &str,
        architecture: &str,
        mirror: Option<&str>,
    ) -> Self {
        let mut dir = format!("{name}-{component}");
        if architecture != X86_64.debian {
            dir = format!("{dir}-{architecture}");
        }
        let dir = target.join("debian").join(dir);
        Self {
            name: name.to_owned(),
            component: component.to_owned(),
            mirror: mirror.map(str::to_owned),
            apt: Apt::new(dir.join("apt"), architecture),
            packages: dir.join("packages"),
            dir,
            updated: Cell::new(false),
        }
    }

    /// The suite's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Fetches the suite's index, once in this object's life. What follows looks up what is in this
    /// index.
    pub(crate) fn update(&self) -> Result<()> {
        if self.updated.get() {
            return Ok(());
        }
        let mirror = match &self.mirror {
            Some(mirror) => mirror::for_suite(mirror, &self.name),
            None => mirror::configured(&self.name)?,
        };
        let _alone = lock(&self.dir)?;
        let _step = progress::step("debian", &format!("fetching the index of {}", self.name));
        self.apt
            .configure(&mirror, &self.name, &self.component)
            .and_then(|()| self.apt.update())
            .with_context(|| format!("cannot fetch the index of {}", self.name))?;
        self.updated.set(true);
        Ok(())
    }

    /// The versions in which the suite serves the package `name`, newest first.
    pub(crate) fn versions(&self, name: &str) -> Result<Vec<String>> {
        self.update()?;
        let packages = self.apt.served(&[name])?;
        Ok(packages.into_iter().map(|found| found.version).collect())
    }

    /// The packages that the suite serves whose name begins with `prefix` and is accepted.
    pub(crate) fn served(
        &self,
        prefix: &str,
        accept: impl Fn(&str) -> bool,
    ) -> Result<Vec<Package>> {
        self.update()?;
        let mut names = self.apt.names(prefix)?;
        names.retain(|name| accept(name));
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.apt.served(&names)
    }

    /// These packages in their newest versions, with all that they depend on.
    pub(crate) fn closure(&self, names: &[&str]) -> Result<Vec<Package>> {
        self.update()?;
        self.apt.closure(names)
    }

    /// The `.deb` of `package` if it has been fetched before.
    pub(crate) fn cached(&self, package: &Package) -> Option<PathBuf> {
        let deb = self.deb(package);
        deb.is_file().then_some(deb)
    }

    /// The `.deb` of `package`, fetched if it is not there.
    pub(crate) fn fetch(&self, package: &Package) -> Result<PathBuf> {
        if let Some(deb) = self.cached(package) {
            return Ok(deb);
        }
        self.update()?;
        let _alone = lock(&self.dir)?;
        let text = format!("fetching {} {}", package.name, package.version);
        let _step = progress::step("debian", &text);
        let partial = self.packages.join("partial");
        recreate(&partial)?;
        self.apt
            .download(package, &partial)
            .with_context(|| format!("cannot fetch {} {}", package.name, package.version))?;
        let deb = self.deb(package);
        fs::rename(only_deb(&partial)?, &deb)?;
        fs::remove_dir_all(&partial)?;
        Ok(deb)
    }

    /// The newest version of the package that the mirror has, fetched. Its index may also name
    /// versions that are missing there.
    pub(crate) fn fetch_newest(&self, name: &str) -> Result<PathBuf> {
        let mut refusals = vec![];
        for version in self.versions(name)? {
            let name = name.to_owned();
            match self.fetch(&Package { name, version }) {
                Ok(deb) => return Ok(deb),
                Err(error) => refusals.push(format!("{error:#}")),
            }
        }
        ensure!(!refusals.is_empty(), "{} serves no {name}", self.name);
        bail!("{}", refusals.join("; "))
    }

    fn deb(&self, package: &Package) -> PathBuf {
        // As in the archive's own file names, the colon of an epoch is escaped.
        let version = package.version.replace(':', "%3a");
        self.packages
            .join(format!("{}_{version}.deb", package.name))
    }
}

/// Unpacks the packages, each into a directory of its name under `tree`, in place of what was
/// there. The new `tree` is there only once all of them are unpacked.
pub(crate) fn unpack_each(packages: &[(String, PathBuf)], tree: &Path) -> Result<()> {
    let partial = tree.with_extension("partial");
    recreate(&partial)?;
    for (name, deb) in packages {
        unpack(deb, &partial.join(name))?;
    }
    if tree.exists() {
        fs::remove_dir_all(tree).with_context(|| format!("cannot remove {}", tree.display()))?;
    }
    fs::rename(&partial, tree).with_context(|| format!("cannot create {}", tree.display()))
}

/// Unpacks the files of a package into `dir`, which must not exist, or leaves no `dir` behind.
pub(crate) fn unpack(deb: &Path, dir: &Path) -> Result<()> {
    unpack_all(&[deb], dir)
}

/// The same with several packages, one over the other.
pub(crate) fn unpack_all(debs: &[impl AsRef<Path>], dir: &Path) -> Result<()> {
    ensure!(!dir.exists(), "{} exists", dir.display());
    let mut partial = dir.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    recreate(&partial)?;
    for deb in debs {
        let deb = deb.as_ref();
        let mut dpkg = command::new("dpkg-deb");
        command::run(dpkg.arg("--extract").arg(deb).arg(&partial))
            .with_context(|| format!("cannot unpack {}", deb.display()))?;
    }
    fs::rename(&partial, dir)?;
    Ok(())
}

/// Whether the version `a` comes after `b`, in Debian's order.
pub(crate) fn is_newer(a: &str, b: &str) -> Result<bool> {
    let status = command::new("dpkg")
        .args(["--compare-versions", a, "gt", b])
        .status()
        .context("cannot run dpkg")?;
    match status.code() {
        Some(0) => Ok(true),
        Some(1) => Ok(false),
        _ => bail!("dpkg cannot compare the versions {a} and {b}"),
    }
}

fn recreate(dir: &Path) -> Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    }
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))
}

fn only_deb(dir: &Path) -> Result<PathBuf> {
    let mut debs = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            debs.push(path);
        }
    }
    match <[PathBuf; 1]>::try_from(debs) {
        Ok([deb]) => Ok(deb),
        Err(debs) => bail!("apt left {} packages where one was asked for", debs.len()),
    }
}
