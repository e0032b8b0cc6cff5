//! The kernel modules that the guest loads, from the modules directory of its image.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use object::{Object as _, ObjectSection as _};

use super::platform::Platform;

/// What tests use of what Debian's kernels have as a module, by module name.
const WANTED: [&str; 8] = [
    "veth",
    "dummy",
    "bonding",
    "sch_ingress",
    "cls_bpf",
    "nf_defrag_ipv4",
    "nf_defrag_ipv6",
    "tcp_bbr",
];

/// A module, decompressed.
pub(crate) struct Module {
    pub(crate) name: String,
    pub(crate) image: Vec<u8>,
}

/// What the guest loads, in this order, and which of the wanted modules the image does not have:
/// they are built into the kernel or missing, and only the tests can tell.
#[derive(Default)]
pub(crate) struct Selection {
    pub(crate) modules: Vec<Module>,
    pub(crate) absent: Vec<String>,
}

/// Finds the wanted modules, and before them those that the platform needs, with all that they
/// depend on.
pub(crate) fn select(directory: &Path, platform: &Platform) -> Result<Selection> {
    let mut files = HashMap::new();
    index(directory, &mut files)?;
    let mut selection = Selection::default();
    let mut seen = HashSet::new();
    // What is not a module is built in; otherwise the guest could not report.
    let for_results = platform.results.modules().iter();
    let for_results = for_results.filter(|name| files.contains_key(**name));
    for name in for_results.chain(&WANTED) {
        add(name, &files, &mut seen, &mut selection)?;
    }
    Ok(selection)
}

/// Adds a module after what it depends on.
fn add(
    name: &str,
    files: &HashMap<String, PathBuf>,
    seen: &mut HashSet<String>,
    selection: &mut Selection,
) -> Result<()> {
    if !seen.insert(name.to_owned()) {
        return Ok(());
    }
    let Some(path) = files.get(name) else {
        selection.absent.push(name.to_owned());
        return Ok(());
    };
    let load = || {
        let image = read(path)?;
        let dependencies = dependencies(&image)?;
        anyhow::Ok((image, dependencies))
    };
    let (image, dependencies) = load().with_context(|| path.display().to_string())?;
    for dependency in dependencies {
        add(&dependency, files, seen, selection)?;
    }
    selection.modules.push(Module {
        name: name.to_owned(),
        image,
    });
    Ok(())
}

/// Every module under a directory by its name, in which the kernel writes `_` for `-`.
fn index(directory: &Path, files: &mut HashMap<String, PathBuf>) -> Result<()> {
    let entries = fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    for entry in entries {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            index(&entry.path(), files)?;
        } else if kind.is_file() {
            let file_name = entry.file_name();
            if let Some((name, "" | ".xz" | ".zst")) =
                file_name.to_str().and_then(|name| name.split_once(".ko"))
            {
                files.insert(name.replace('-', "_"), entry.path());
            }
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let file = File::open(path)?;
    let mut image = Vec::new();
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => lzma_rust2::XzReader::new(file, true).read_to_end(&mut image)?,
        Some("zst") => ruzstd::decoding::StreamingDecoder::new(file)?.read_to_end(&mut image)?,
        _ => { file }.read_to_end(&mut image)?,
    };
    Ok(image)
}

/// The modules that a module needs, as it says itself: Debian's packages come without depmod's
/// index.
fn dependencies(image: &[u8]) -> Result<Vec<String>> {
    let module = object::File::parse(image)?;
    let information = module
        .section_by_name(".modinfo")
        .context("no module: it has no .modinfo section")?
        .data()?;
    for entry in information.split(|byte| *byte == 0) {
        if let Some(names) = entry.strip_prefix(b"depends=") {
            let names = std::str::from_utf8(names)?;
            return Ok(names
                .split(',')
                .filter(|name| !name.is_empty())
                .map(|name| name.replace('-', "_"))
                .collect());
        }
    }
    bail!("its .modinfo section does not say what it depends on")
}
