//! Debian's rustc and cargo, unpacked with the libraries that they need and run with those, on
//! whatever this machine is; and Rust's standard library for other architectures.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::architecture::{Architecture, X86_64};
use crate::debian::{self, Suite};
use crate::lock::lock;
use crate::{command, workspace};

const NAME: &str = "debian-rust";
const SUITE: &str = "trixie";
const COMPONENT: &str = "main";
const STANDARD_LIBRARY: &str = "libstd-rust-dev";
const PACKAGES: [&str; 2] = ["rustc", "cargo"];
/// Where the scripts are that run its programs.
const SCRIPTS: &str = "bin";
/// Where they are in the tree of what was unpacked.
const LOADER: &str = "usr/lib64/ld-linux-x86-64.so.2";
const SYSROOT: &str = "usr";
/// Where the standard library of each target is, below the sysroot.
const TARGETS: &str = "lib/rustlib";

/// A toolchain that has been unpacked.
#[derive(Debug)]
pub(crate) struct Toolchain {
    dir: PathBuf,
}

impl Toolchain {
    /// Fetches and unpacks what is not there.
    pub(crate) fn fetch(mirror: Option<&str>) -> Result<Self> {
        let target = workspace::target();
        let dir = target.join(NAME);
        let _alone = lock(&dir)?;
        let tree = dir.join("tree");
        if !tree.exists() {
            let suite = Suite::new(&target, SUITE, COMPONENT, mirror);
            let mut debs = vec![];
            for package in suite.closure(&PACKAGES)? {
                if is_needed(&package.name) {
                    debs.push(suite.fetch(&package)?);
                }
            }
            debian::unpack_all(&debs, &tree)?;
        }
        let scripts = dir.join(SCRIPTS);
        fs::create_dir_all(&scripts).with_context(|| scripts.display().to_string())?;
        let [tree_path, rustc] =
            [&tree, &scripts.join("rustc")].map(|path| path.display().to_string());
        let libraries = X86_64.libraries();
        let run = format!("'{tree_path}/{LOADER}' --library-path '{tree_path}/{libraries}'");
        script(
            &scripts.join("rustc"),
            &format!("{run} '{tree_path}/usr/bin/rustc' --sysroot '{tree_path}/{SYSROOT}'"),
        )?;
        script(
            &scripts.join("cargo"),
            &format!("env RUSTC='{rustc}' {run} '{tree_path}/usr/bin/cargo'"),
        )?;
        Ok(Self { dir })
    }

    /// Gives it the standard library of another architecture, fetched if it is not there.
    pub(crate) fn add(&self, architecture: &Architecture, mirror: Option<&str>) -> Result<()> {
        let Architecture { debian, target, .. } = architecture;
        let _alone = lock(&self.dir)?;
        let tree = self.dir.join(debian);
        if !tree.exists() {
            let all = workspace::target();
            let suite = Suite::of_architecture(&all, SUITE, COMPONENT, debian, mirror);
            let deb = suite
                .fetch_newest(STANDARD_LIBRARY)
                .with_context(|| format!("{STANDARD_LIBRARY} for {debian}"))?;
            debian::unpack(&deb, &tree)?;
        }
        let place = |tree: &Path| tree.join(SYSROOT).join(TARGETS).join(target);
        let (from, to) = (place(&tree), place(&self.dir.join("tree")));
        ensure!(
            from.is_dir(),
            "{STANDARD_LIBRARY} for {debian} has nothing for {target}"
        );
        if !to.exists() {
            symlink(&from, &to).with_context(|| to.display().to_string())?;
        }
        Ok(())
    }

    pub(crate) fn rustc(&self) -> Command {
        command::new(self.script("rustc"))
    }

    pub(crate) fn cargo(&self) -> Command {
        command::new(self.script("cargo"))
    }

    fn script(&self, name: &str) -> PathBuf {
        self.dir.join(SCRIPTS).join(name)
    }
}

/// The two, and libraries: programs are linked by this machine's compiler, with its C library.
fn is_needed(package: &str) -> bool {
    PACKAGES.contains(&package)
        || package == STANDARD_LIBRARY
        || package.starts_with("lib") && !package.ends_with("-dev")
}

/// A program that runs this with its arguments. One that is there already may be running.
fn script(path: &Path, run: &str) -> Result<()> {
    let text = format!("#!/bin/sh\nexec {run} \"$@\"\n");
    if fs::read_to_string(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    fs::write(path, text)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o755)))
        .with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::is_needed;

    #[test]
    fn libraries_are_needed_and_compilers_are_not() {
        assert!(
            [
                "cargo",
                "rustc",
                "libstd-rust-dev",
                "libstd-rust-1.85",
                "libc6"
            ]
            .map(is_needed)
                == [true; 5]
        );
        assert!(["gcc", "libc6-dev", "binutils"].map(is_needed) == [false; 3]);
    }
}
