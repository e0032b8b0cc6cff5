//! `completions` and `man`: files to install with the command.

use std::io::Write as _;

use anyhow::{Context as _, Result};
use clap::CommandFactory as _;

use crate::args::{Args, Completions, Man};
use crate::output;

pub(crate) fn completions(args: &Completions) -> Result<()> {
    let mut command = Args::command();
    let name = command.get_name().to_owned();
    // What generates it panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    let mut out = output::open();
    out.write_all(&script)?;
    output::close(out)
}

/// One page for the command, and one for each subcommand.
pub(crate) fn man(args: &Man) -> Result<()> {
    let directory = &args.directory;
    std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(Args::command(), directory))
        .with_context(|| directory.display().to_string())
}
