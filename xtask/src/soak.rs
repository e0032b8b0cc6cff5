//! `cargo xtask soak`: everything that can be done to links, at random, for as long as is wanted.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::workspace;

/// Does everything to links of all kinds at random, in several threads, holds it against a model,
/// and prints what was done.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// For how many seconds
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Do what was done with this seed; the order of what several threads do is not the same
    #[arg(long)]
    seed: Option<u64>,
}

/// The work is a role of the live tests: what they make and check is made and checked the same way
/// here.
pub(crate) fn run(args: &Args) -> Result<()> {
    let status = Command::new(env!("CARGO"))
        // With the features that `cargo test --workspace` has built it with, so that there is
        // nothing to do.
        .args(["test", "--quiet", "--locked", "--workspace"])
        .args(["--test", "live", "--", &args.seconds.to_string()])
        .args(args.seed.map(|seed| seed.to_string()))
        .env("BPF_LINK_ROLE", "live::soak::long")
        .current_dir(workspace::root())
        .status()
        .context("cannot run cargo test")?;
    ensure!(status.success(), "the soak failed ({status})");
    Ok(())
}
