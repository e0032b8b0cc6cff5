//! `cargo xtask oldest-rust`: the published crates with the oldest Rust that they promise to be built with, from Debian.

mod toolchain;

use std::ffi::OsStr;

use anyhow::{Result, ensure};

use crate::{command, progress, published, workspace};
use toolchain::Toolchain;

const NAME: &str = "oldest-rust";
/// The version in the workspace's manifest.
const PROMISED: &str = env!("CARGO_PKG_RUST_VERSION");

/// Builds the published crates with Debian's Rust, in the version that their manifests promise, and runs their unit tests.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Fetch the packages from this mirror, not from the one that apt is configured with
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let dir = workspace::target().join(NAME);
    let toolchain = Toolchain::fetch(&dir, args.mirror.as_deref())?;
    let version = command::run(toolchain.rustc().arg("--version"))?;
    ensure!(
        version.starts_with(&format!("rustc {PROMISED}.")),
        "Rust {PROMISED} is promised, and Debian has {version}"
    );
    let manifest = published::copy(NAME)?;
    let target_dir = dir.join("target");
    let step = progress::step(NAME, "building");
    for arguments in [
        &["check", "--quiet"][..],
        &["test", "--quiet", "--lib", "--all-features"],
    ] {
        let mut cargo = toolchain.cargo();
        // As whoever depends on them builds them: what an older compiler warns of is no matter.
        cargo.args(arguments).env("RUSTFLAGS", "--cap-lints=allow");
        cargo.args([
            OsStr::new("--manifest-path"),
            manifest.as_os_str(),
            OsStr::new("--target-dir"),
            target_dir.as_os_str(),
        ]);
        command::run(&mut cargo)?;
    }
    drop(step);
    println!("{NAME}: {}", version.trim());
    Ok(())
}
