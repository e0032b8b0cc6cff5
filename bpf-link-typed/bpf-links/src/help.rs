//! `completions` and `man`: what goes with the command on a machine.

use anyhow::{Context as _, Result};
use clap::CommandFactory as _;

use crate::args::{Args, Completions, Man};
use crate::output;

pub(crate) fn completions(args: &Completions) -> Result<()> {
    let mut command = Args::command();
    let name = command.get_name().to_owned();
    let mut out = output::open();
    clap_complete::generate(args.shell, &mut command, name, &mut out);
    output::close(out)
}

/// A page for the command, and one for each of its commands.
pub(crate) fn man(args: &Man) -> Result<()> {
    let directory = &args.directory;
    std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(Args::command(), directory))
        .with_context(|| directory.display().to_string())
}
