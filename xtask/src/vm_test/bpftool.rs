//! Debian's `bpftool` for the guest, which tests compare the lister with: the newest one, with the
//! libraries that it needs, so that it is the same on every kernel and every machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use object::Endianness;
use object::elf::{DT_NEEDED, FileHeader64};
use object::read::elf::{Dyn as _, FileHeader as _};

use super::image::Source;
use super::platform::Platform;
use crate::debian::{self, Suite};

/// The packages, and the suite that each is from.
const PACKAGES: [(&str, &str); 7] = [
    ("bpftool", "trixie-backports"),
    ("libc6", "trixie"),
    ("libcap2", "trixie"),
    ("libelf1t64", "trixie"),
    ("libssl3t64", "trixie"),
    ("libzstd1", "trixie"),
    ("zlib1g", "trixie"),
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
        let libraries = platform.architecture.libraries();
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

fn unpack(tree: &Path, platform: &Platform, source: &Source<'_>) -> Result<()> {
    let mut suites: BTreeMap<&str, Suite> = BTreeMap::new();
    let mut packages = vec![];
    for (name, suite) in PACKAGES {
        let suite = suites
            .entry(suite)
            .or_insert_with(|| source.suite(suite, platform));
        packages.push((name.to_owned(), suite.fetch_newest(name)?));
    }
    debian::unpack_each(&packages, tree)
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
