//! `cargo xtask oldest-rust`: the published crates and the lister with the oldest Rust that they
//! promise to be built with, from Debian.

use std::ffi::OsStr;
use std::path::Path;

use anyhow::{Result, ensure};

use crate::debian_rust::Toolchain;
use crate::{command, progress, published, workspace};

const NAME: &str = "oldest-rust";
/// The version in the workspace's manifest.
const PROMISED: &str = env!("CARGO_PKG_RUST_VERSION");

/// Builds the published crates and the lister with Debian's Rust, in the version that their
/// manifests promise.
///
/// The crates build without a warning, with the default features and with all of them, and their
/// unit tests are run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Fetch the packages from this mirror, not from the one that apt is configured with
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let toolchain = Toolchain::fetch(args.mirror.as_deref())?;
    let version = command::run(toolchain.rustc().arg("--version"))?;
    ensure!(
        version.starts_with(&format!("rustc {PROMISED}.")),
        "Rust {PROMISED} is promised, and Debian has {version}"
    );
    let published = published::copy(NAME, &[])?;
    let target_dir = workspace::target().join(NAME).join("target");
    let step = progress::step(NAME, "building");
    let run = |manifest: &Path, arguments: &[&str], lints: &str| {
        let mut cargo = toolchain.cargo();
        cargo.args(arguments).env("RUSTFLAGS", lints);
        cargo.args([
            OsStr::new("--manifest-path"),
            manifest.as_os_str(),
            OsStr::new("--target-dir"),
            target_dir.as_os_str(),
        ]);
        command::run(&mut cargo)
    };
    // Users who build the libraries in a workspace see what the compiler warns of.
    for features in [&[][..], &["--all-features"]] {
        let check = [&["check", "--quiet"], features].concat();
        run(&published, &check, "-Dwarnings")?;
    }
    step.next("unit tests");
    let tests = ["test", "--quiet", "--lib", "--all-features"];
    run(&published, &tests, "--cap-lints=allow")?;
    // As `cargo install --locked` does, with what the lister is developed with.
    step.next("the lister");
    let lister = ["check", "--quiet", "--locked", "--package", "bpf-links"];
    let whole = workspace::root().join("Cargo.toml");
    run(&whole, &lister, "--cap-lints=allow")?;
    drop(step);
    println!("{NAME}: {}", version.trim());
    Ok(())
}
