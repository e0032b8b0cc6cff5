//! Kernel images: Debian's, found in the indices of its suites, or one that the caller has.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};

use super::matrix::Kernel;
use super::platform::Platform;
use crate::debian::{self, Package, Suite};
use crate::progress;

const COMPONENT: &str = "main";
const PREFIX: &str = "linux-image-";
/// From Linux 6.19 on, Debian's `linux-image-*` has no files but depends on packages of these names
/// with the same release.
const PARTS: [&str; 2] = ["linux-binary-", "linux-modules-"];

/// A kernel to boot, and the directory of its modules.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) kernel: PathBuf,
    pub(crate) modules: Option<PathBuf>,
}

/// Where packages come from.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    /// The directory for what is fetched.
    pub(crate) target: &'a Path,
    pub(crate) mirror: Option<&'a str>,
    /// Asks for the newest version although there is one already.
    pub(crate) refresh: bool,
}

impl Source<'_> {
    /// A suite of the packages for a platform.
    pub(crate) fn suite(&self, name: &str, platform: &Platform) -> Suite {
        let debian = platform.architecture.debian;
        Suite::of_architecture(self.target, name, COMPONENT, debian, self.mirror)
    }
}

/// The image of a kernel of the matrix, unpacked in `dir`. Needs no network where it has been
/// unpacked before.
pub(crate) fn obtain(kernel: &Kernel, dir: &Path, source: &Source<'_>) -> Result<Image> {
    /// Kernels of one suite share its index, which apt locks.
    static FETCHING: Mutex<()> = Mutex::new(());
    let tree = dir.join("image");
    let _alone = FETCHING.lock().unwrap_or_else(PoisonError::into_inner);
    if source.refresh || !tree.is_dir() {
        let suites = kernel
            .suites
            .iter()
            .map(|name| source.suite(name, kernel.platform));
        debian::unpack_each(&fetch(kernel, &suites.collect::<Vec<_>>())?, &tree)?;
    }
    find(&tree).with_context(|| format!("no image in {}", tree.display()))
}

/// Fetches the packages that make up an image of the series: what each is called, and its file. It
/// is the newest image that the mirror has whole. Its index may also name packages that are missing
/// there.
fn fetch(kernel: &Kernel, suites: &[Suite]) -> Result<Vec<(String, PathBuf)>> {
    let Kernel { flavour, .. } = kernel;
    let series = kernel.series();
    let images = images(kernel, suites)?;
    if images.is_empty() {
        let served = served(flavour, suites)?;
        bail!("no image of Linux {series} for {flavour} is served; {served}");
    }
    let mut refusals = vec![];
    for (suite, image) in images {
        match fetch_whole(suite, image) {
            Ok(packages) => return Ok(packages),
            Err(error) => {
                let refusal = format!("{error:#}");
                progress::print(&format!("{refusal}\n"));
                refusals.push(refusal);
            }
        }
    }
    bail!(
        "no image of Linux {series} for {flavour} can be fetched: {}",
        refusals.join("; ")
    )
}

fn fetch_whole(suite: &Suite, image: Package) -> Result<Vec<(String, PathBuf)>> {
    let mut packages = vec![];
    for part in PARTS {
        let name = image.name.replacen(PREFIX, part, 1);
        if suite.versions(&name)?.contains(&image.version) {
            packages.push(Package {
                name,
                version: image.version.clone(),
            });
        }
    }
    packages.push(image);
    let fetched = packages.iter().map(|package| {
        let Package { name, version } = package;
        Ok((format!("{name}_{version}"), suite.fetch(package)?))
    });
    fetched.collect()
}

/// The images of the kernel, newest first.
fn images<'a>(kernel: &Kernel, suites: &'a [Suite]) -> Result<Vec<(&'a Suite, Package)>> {
    let prefix = format!("{PREFIX}{}.", kernel.series());
    let mut images: Vec<(&Suite, Package)> = vec![];
    for suite in suites {
        let served = match suite.served(&prefix, |name| is_of(kernel.flavour, name)) {
            Ok(served) => served,
            Err(error) => {
                // Another suite may have it.
                progress::print(&format!("{error:#}\n"));
                continue;
            }
        };
        for package in served {
            let mut place = 0;
            for (_, other) in &images {
                place += usize::from(debian::is_newer(&other.version, &package.version)?);
            }
            images.insert(place, (suite, package));
        }
    }
    Ok(images)
}

/// Whether the image of this name is of the flavour. What has another word before it, such as
/// `rt-arm64`, is of another one.
fn is_of(flavour: &str, name: &str) -> bool {
    let release = name
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.strip_suffix(flavour)?.strip_suffix('-'));
    release.is_some_and(|release| release.ends_with(|last: char| last.is_ascii_digit()))
}

/// Says which series the suites serve.
fn served(flavour: &str, suites: &[Suite]) -> Result<String> {
    let mut served = vec![];
    for suite in suites {
        let images = suite.served(PREFIX, |name| is_of(flavour, name))?;
        let series: BTreeSet<_> = images
            .iter()
            .filter_map(|package| series_of(&package.version))
            .collect();
        let series: Vec<_> = series
            .iter()
            .map(|(major, minor)| format!("{major}.{minor}"))
            .collect();
        let list = if series.is_empty() {
            "none".to_owned()
        } else {
            series.join(", ")
        };
        served.push(format!("{} has {list}", suite.name()));
    }
    Ok(served.join("; "))
}

/// The first two numbers of a version.
fn series_of(version: &str) -> Option<(u32, u32)> {
    let (major, rest) = version.split_once('.')?;
    let minor = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The kernel. Older packages have it as `boot/vmlinuz-RELEASE`, on riscv64 `boot/vmlinux-RELEASE`.
/// Newer ones have it in the directory of its modules, which moved from `lib` to `usr/lib`.
fn find(tree: &Path) -> Result<Image> {
    let (mut kernel, mut modules) = (None, None);
    for package in children(tree)? {
        let releases = [
            children(&package.join("lib/modules"))?,
            children(&package.join("usr/lib/modules"))?,
        ]
        .concat();
        let in_boot = children(&package.join("boot"))?.into_iter().filter(|path| {
            path.file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| name.starts_with("vmlinuz-") || name.starts_with("vmlinux-"))
        });
        let beside_modules = releases.iter().map(|release| release.join("vmlinuz"));
        kernel = kernel.or(in_boot.chain(beside_modules).find(|path| path.is_file()));
        modules = modules.or(releases
            .into_iter()
            .find(|release| release.join("kernel").is_dir()));
    }
    Ok(Image {
        kernel: kernel.context("none of its packages has a kernel")?,
        modules,
    })
}

/// What is in a directory, in order; nothing if there is no such directory.
fn children(dir: &Path) -> Result<Vec<PathBuf>> {
    if !dir.is_dir() {
        return Ok(vec![]);
    }
    let entries = fs::read_dir(dir).with_context(|| dir.display().to_string())?;
    let mut children = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    children.sort();
    Ok(children)
}

#[cfg(test)]
mod tests {
    use super::{is_of, series_of};

    #[test]
    fn a_series_is_the_first_two_numbers() {
        assert_eq!(series_of("5.10.262-1"), Some((5, 10)));
        assert_eq!(series_of("7.3~rc4-1~exp1"), Some((7, 3)));
        assert_eq!(series_of("7"), None);
    }

    #[test]
    fn a_flavour_is_the_whole_end_of_a_name() {
        for (flavour, name, expected) in [
            ("cloud-amd64", "linux-image-5.10.0-46-cloud-amd64", true),
            ("arm64-16k", "linux-image-6.12.117+deb13-arm64-16k", true),
            (
                "arm64-16k",
                "linux-image-6.12.117+deb13-rt-arm64-16k",
                false,
            ),
            ("s390x", "linux-image-6.12.117+deb13-s390x", true),
            ("s390x", "linux-image-s390x", false),
        ] {
            assert_eq!(is_of(flavour, name), expected, "{name}");
        }
    }
}
