//! The arguments, and the help.

use std::path::PathBuf;
use std::time::Duration;

use bpf_link_typed::{LinkId, LinkKind, ProgramId};
use clap::{Parser, Subcommand};

/// Shows and changes the BPF links of this machine.
///
/// A link keeps a BPF program attached to a hook, as long as a process or a pin on a bpffs holds
/// it. This shows which links there are, of which kind, on what, and by which program.
#[derive(Debug, Parser)]
#[command(
    name = "bpf-links",
    version,
    max_term_width = 100,
    after_long_help = "\
Examples:
  bpf-links list --kind xdp --kind tcx --pinned
  bpf-links show --pin /sys/fs/bpf/agent/lo
  bpf-links list --json-lines | jq 'select(.defunct)'

Exit status: 0 if all went well, 1 if the command failed, with one line on standard error that says why, and 2 for arguments \
that it does not understand.

Listing links, and opening one by its id, takes CAP_SYS_ADMIN in the first user namespace. A pin can be opened by whoever may \
read and write it. What else could not be found out is said on standard error.

Environment: NO_COLOR turns colours off."
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists all links of this machine
    ///
    /// Links that come and go meanwhile may be in the list or not; every other link is in it, once.
    List(List),

    /// Shows all there is to know about one link, as JSON
    Show(Show),

    /// Pins a link at a path on a bpffs, so that it stays attached without a process
    Pin(Pin),

    /// Removes a pin, if it is one of a link
    ///
    /// If nothing else holds the link, its program is taken off its hook.
    Unpin(Unpin),

    /// Takes a link off its hook at once, even if others hold it
    ///
    /// The link lives on as long as it is held, but does nothing any more. Kinds that cannot be
    /// detached say so.
    Detach(Detach),

    /// Puts another program in the place of a link's, in one step
    Update(Update),

    /// Says which links come, go and change, until it is interrupted
    Watch(Watch),
}

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Only links of this kind, such as xdp or tcx, or its number; may be given more than once
    #[arg(long = "kind", value_name = "KIND", value_parser = kind)]
    pub(crate) kinds: Vec<LinkKind>,

    /// Only links of the program with this id
    #[arg(long = "prog", value_name = "ID", value_parser = program_id)]
    pub(crate) program: Option<ProgramId>,

    /// As one JSON array, with the keys of `bpftool -j link show`
    #[arg(long, conflicts_with = "json_lines")]
    pub(crate) json: bool,

    /// As a JSON object in each line, with the same keys
    #[arg(long)]
    pub(crate) json_lines: bool,

    #[command(flatten)]
    pub(crate) with: With,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    #[command(flatten)]
    pub(crate) link: Which,

    /// In one line, also on a terminal
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) with: With,
}

/// What is looked for besides the links.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct With {
    /// With every path on every bpffs of this mount namespace that a link is pinned at
    #[arg(long)]
    pub(crate) pinned: bool,

    /// With the processes that hold a descriptor of a link
    #[arg(long)]
    pub(crate) holders: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Pin {
    /// The id of the link
    #[arg(value_parser = link_id)]
    pub(crate) id: LinkId,

    /// Where to pin it; nothing that is there is overwritten
    pub(crate) path: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Unpin {
    /// Where the link is pinned
    pub(crate) path: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Detach {
    #[command(flatten)]
    pub(crate) link: Which,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Update {
    #[command(flatten)]
    pub(crate) link: Which,

    /// Where the new program is pinned
    #[arg(long, value_name = "PATH")]
    pub(crate) prog_pin: PathBuf,

    /// Only if the link has the program that is pinned here
    #[arg(long, value_name = "PATH")]
    pub(crate) old_prog_pin: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Watch {
    /// How long to wait between two looks, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    pub(crate) interval: Duration,
}

/// The link that a command is about.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Which {
    /// The link with this id
    #[arg(long, value_name = "ID", value_parser = link_id)]
    pub(crate) id: Option<LinkId>,

    /// The link that is pinned at this path
    #[arg(long, value_name = "PATH")]
    pub(crate) pin: Option<PathBuf>,
}

fn kind(text: &str) -> Result<LinkKind, String> {
    let known = LinkKind::KNOWN.iter().copied();
    if let Some(kind) = known.clone().find(|kind| kind.name() == Some(text)) {
        return Ok(kind);
    }
    text.parse().map(LinkKind::from_raw).map_err(|_| {
        let names: Vec<&str> = known.filter_map(LinkKind::name).collect();
        format!("the kinds are {}, and numbers", names.join(", "))
    })
}

fn link_id(text: &str) -> Result<LinkId, String> {
    id(text, LinkId::new)
}

fn program_id(text: &str) -> Result<ProgramId, String> {
    id(text, ProgramId::new)
}

fn id<T>(text: &str, new: impl Fn(u32) -> Option<T>) -> Result<T, String> {
    let number = text.parse().ok();
    number
        .and_then(new)
        .ok_or_else(|| "an id is a number from 1 up".to_owned())
}

fn interval(text: &str) -> Result<Duration, String> {
    const SHORTEST: Duration = Duration::from_millis(10);
    let seconds = text.parse().ok();
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|interval| *interval >= SHORTEST)
        .ok_or_else(|| "an interval is a number of seconds, from 0.01 up".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn kinds_are_names_and_numbers() {
        assert_eq!(kind("xdp"), Ok(LinkKind::Xdp));
        assert_eq!(kind("6"), Ok(LinkKind::Xdp));
        assert_eq!(kind("99"), Ok(LinkKind::Unknown(99)));
        assert!(kind("no").is_err_and(|why| why.contains("tracing_multi")));
    }

    #[test]
    fn ids_and_intervals_are_checked() {
        assert!(link_id("0").is_err());
        assert!(program_id("-1").is_err());
        assert_eq!(interval("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["0", "-1", "NaN", "1e300", "soon"] {
            assert!(interval(wrong).is_err(), "{wrong}");
        }
    }
}
