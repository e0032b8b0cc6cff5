//! Debian's `bpftool` for the guest, which tests compare the lister with: the newest one, with the
//! libraries that it needs, so that it is the same on every kernel and every machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use object::Endianness;
use object::elf::{DT_NEEDED, FileHeader64};
use object::read::elf::{Dyn as _, FileHeader as _};

use super::image::Source;
use super::platform::Platform;
use crate::debian::{self, Package, Suite};

const SUITE: &str = "trixie";
/// The packages, and where each is looked for, in this order. An index may be in disorder on its
/// mirror, as that of an architecture with few users.
const PACKAGES: [(&str, &[&str]); 7] = [
    ("bpftool", &["trixie-backports", SUITE]),
    ("libc6", &[SUITE]),
    ("libcap2", &[SUITE]),
    ("libelf1t64", &[SUITE]),
    ("libssl3t64", &[SUITE]),
    ("libzstd1", &[SUITE]),
    ("zlib1g", &[SUITE]),
];
const PROGRAM: &str = "usr/sbin/bpftool";
/// The program and its libraries: where each goes in the guest, and where it is here.
#[derive(Debug)]
pub(crate) struct Bpftool(BTreeMap<String, PathBuf>);

impl Bpftool {
    /// Where it is in the guest.
    pub(crate) const DIRECTORY: &str = "/bin";

    /// Fetches and unpacks what is not there. Needs no network where it has been unpacked before.
    pub(crate) fn obtain(dir: &Path, platform: &Platform, source: &Source<'_>) -> Result<Self> {
        let tree = dir.join("bpftool");
        if source.refresh || !tree.is_dir() {
            unpack(&tree, platform, source)?;
        }
        Self::find(&tree, platform).with_context(|| format!("no bpftool in {}", tree.display()))
    }

    /// Every file, with its path in the guest before it.
    pub(crate) fn into_files(self) -> impl Iterator<Item = (String, PathBuf)> {
        self.0.into_iter()
    }

    fn find(tree: &Path, platform: &Platform) -> Result<Self> {
        // Where the packages have them, and where the guest's loader looks for them.
        let libraries = platform.libraries();
        let (loader, place_of_loader) = platform.loader;
        let mut files = BTreeMap::new();
        let mut wanted = vec![("bin/bpftool".to_owned(), in_packages(tree, PROGRAM)?)];
        while let Some((path, file)) = wanted.pop() {
            let needed = needed(&fs::read(&file)?).with_context(|| file.display().to_string())?;
            if files.insert(path, file).is_some() {
                continue;
            }
            for name in needed {
                let path = if name == loader {
                    place_of_loader.to_owned()
                } else {
                    format!("{libraries}/{name}")
                };
                wanted.push((path, in_packages(tree, &format!("{libraries}/{name}"))?));
            }
        }
        Ok(Self(files))
    }
}

/// A file of one of the packages.
fn in_packages(tree: &Path, path: &str) -> Result<PathBuf> {
    for (package, _) in PACKAGES {
        let file = tree.join(package).join(path);
        if file.is_file() {
            return Ok(file);
        }
    }
    bail!("no package has {path}")
}

/// Unpacks the packages, each into a directory of its own under `tree`, which is there only once
/// all of them are.
fn unpack(tree: &Path, platform: &Platform, source: &Source<'_>) -> Result<()> {
    let partial = tree.with_extension("partial");
    for old in [partial.as_path(), tree] {
        if old.exists() {
            fs::remove_dir_all(old).with_context(|| format!("cannot remove {}", old.display()))?;
        }
    }
    fs::create_dir_all(&partial).with_context(|| format!("cannot create {}", partial.display()))?;
    let mut suites: BTreeMap<&str, Suite> = BTreeMap::new();
    for (name, places) in PACKAGES {
        let mut refusals = vec![];
        let deb = places.iter().find_map(|place| {
            let suite = suites
                .entry(place)
                .or_insert_with(|| source.suite(place, platform));
            newest(name, suite)
                .map_err(|error| refusals.push(format!("{error:#}")))
                .ok()
        });
        let deb = deb.with_context(|| refusals.join("; "))?;
        debian::unpack(&deb, &partial.join(name))?;
    }
    fs::rename(&partial, tree).with_context(|| format!("cannot create {}", tree.display()))
}

/// Fetches the newest version of the package that the suite's mirror has. Its index may also name
/// versions that are missing there.
fn newest(name: &str, suite: &Suite) -> Result<PathBuf> {
    let mut refusals = vec![];
    for version in suite.versions(name)? {
        let name = name.to_owned();
        match suite.fetch(&Package { name, version }) {
            Ok(deb) => return Ok(deb),
            Err(error) => refusals.push(format!("{error:#}")),
        }
    }
    ensure!(!refusals.is_empty(), "{} serves no {name}", suite.name());
    bail!("{}", refusals.join("; "))
}

/// The libraries that a program or library names.
fn needed(image: &[u8]) -> Result<Vec<String>> {
    let header = FileHeader64::<Endianness>::parse(image)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, image)?;
    let Some((entries, strings)) = sections.dynamic(endian, image)? else {
        return Ok(vec![]);
    };
    let strings = sections.strings(endian, image, strings)?;
    let mut needed = vec![];
    for entry in entries {
        if entry.d_tag(endian) == DT_NEEDED {
            let name = entry.string(endian, strings)?;
            needed.push(String::from_utf8_lossy(name).into_owned());
        }
    }
    Ok(needed)
}
