//! Debian's rustc and cargo, unpacked with the libraries that they need and run with those, on
//! whatever this machine is.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::command;
use crate::debian::{self, Suite};

const SUITE: &str = "trixie";
const PACKAGES: [&str; 2] = ["rustc", "cargo"];
/// Where they are in the tree of what was unpacked.
const LOADER: &str = "usr/lib64/ld-linux-x86-64.so.2";
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";
const SYSROOT: &str = "usr";

/// A toolchain that has been unpacked.
#[derive(Debug)]
pub(super) struct Toolchain {
    /// Where the scripts are that run its programs.
    scripts: PathBuf,
}

impl Toolchain {
    /// Fetches and unpacks what is not there.
    pub(super) fn fetch(dir: &Path, mirror: Option<&str>) -> Result<Self> {
        let tree = dir.join("tree");
        if !tree.exists() {
            let suite = Suite::new(dir.parent().unwrap_or(dir), SUITE, "main", mirror);
            let mut debs = vec![];
            for package in suite.closure(&PACKAGES)? {
                if is_needed(&package.name) {
                    debs.push(suite.fetch(&package)?);
                }
            }
            debian::unpack_all(&debs, &tree)?;
        }
        let scripts = dir.join("bin");
        fs::create_dir_all(&scripts).with_context(|| scripts.display().to_string())?;
        let [tree_path, rustc] =
            [&tree, &scripts.join("rustc")].map(|path| path.display().to_string());
        let run = format!("'{tree_path}/{LOADER}' --library-path '{tree_path}/{LIBRARIES}'");
        script(
            &scripts.join("rustc"),
            &format!("{run} '{tree_path}/usr/bin/rustc' --sysroot '{tree_path}/{SYSROOT}'"),
        )?;
        script(
            &scripts.join("cargo"),
            &format!("env RUSTC='{rustc}' {run} '{tree_path}/usr/bin/cargo'"),
        )?;
        Ok(Self { scripts })
    }

    pub(super) fn rustc(&self) -> Command {
        command::new(self.scripts.join("rustc"))
    }

    pub(super) fn cargo(&self) -> Command {
        command::new(self.scripts.join("cargo"))
    }
}

/// The two, and libraries: programs are linked by this machine's compiler, with its C library.
fn is_needed(package: &str) -> bool {
    PACKAGES.contains(&package)
        || package == "libstd-rust-dev"
        || package.starts_with("lib") && !package.ends_with("-dev")
}

/// A program that runs this with its arguments.
fn script(path: &Path, run: &str) -> Result<()> {
    fs::write(path, format!("#!/bin/sh\nexec {run} \"$@\"\n"))
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
