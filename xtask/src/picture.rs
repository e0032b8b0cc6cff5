//! `cargo xtask picture`: the README's picture of `bpf-links`.

use std::fs;
use std::process::Command;

use anstyle_svg::Term;
use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::picture::COLOURED_VARIABLE;

use crate::workspace;

/// Where the picture is.
const PICTURE: &str = "bpf-link-typed/bpf-links/list.svg";

/// Draws what `bpf-links list` shows on a terminal, of the links in the table of its README.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// The links are made by the test that compares the README's table.
pub(crate) fn run(_args: &Args) -> Result<()> {
    let coloured = workspace::target().join("list.ansi");
    let status = Command::new(env!("CARGO"))
        .args(["test", "--quiet", "--locked", "--workspace"])
        .args(["--test", "live", "--", "--exact"])
        .arg("lister::sample::is_in_the_readme")
        .env("BPF_LINK_STRICT", "1")
        .env(COLOURED_VARIABLE, &coloured)
        .current_dir(workspace::root())
        .status()
        .context("cannot run cargo test")?;
    ensure!(status.success(), "the table could not be made ({status})");
    let coloured = fs::read_to_string(&coloured).with_context(|| coloured.display().to_string())?;
    let picture = Term::new().render_svg(&coloured);
    fs::write(workspace::root().join(PICTURE), picture).context(PICTURE)
}
