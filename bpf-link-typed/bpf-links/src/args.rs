//! The arguments, and the help.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use bpf_link_typed::{LinkId, LinkKind, ProgramId};
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// Shows and changes the BPF links of this machine.
///
/// A link keeps a BPF program attached to a hook, as long as a process or a pin on a bpffs holds
/// it. This shows which links there are, of which kind, on what, and by which program.
///
/// LINK is the id of a link, or the path of its pin; PROG is the same of a program. A path that is
/// a number is written as ./5.
#[derive(Debug, Parser)]
#[command(
    name = "bpf-links",
    version,
    max_term_width = 100,
    after_long_help = "\
Examples:
  bpf-links list --kind xdp,tcx --pins
  bpf-links show /sys/fs/bpf/agent/lo
  bpf-links list --defunct --json-lines | jq .id

Exit status: 0 if all went well, 1 if something failed, with a line on standard error that says why, and 2 for arguments that it \
does not understand. `list` and `watch` go on past a link that the kernel refuses to describe, name it, and end with 1.

Listing links, and opening one by its id, takes CAP_SYS_ADMIN in the first user namespace. A pin can be opened by whoever may \
read and write it. What else could not be found out is said on standard error.

Environment: NO_COLOR turns colours off."
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// As JSON: links with the keys of `bpftool -j link show`, and more
    #[arg(short, long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists the links of this machine
    ///
    /// Links that come and go meanwhile may be in the list or not; every other link is in it, once.
    List(List),

    /// Shows all there is to know about one link
    Show(Show),

    /// Pins a link at a path on a bpffs, so that it stays attached without a process
    ///
    /// Pins that it has already stay where they are.
    Pin(Pin),

    /// Removes the pin of a link, or, by its id, all of its pins
    ///
    /// The pins of an id are looked for on every bpffs of this mount namespace. If nothing else
    /// holds the link, its program is taken off its hook.
    Unpin(Link),

    /// Takes a link off its hook at once, even if others hold it
    ///
    /// The link lives on as long as it is held, but does nothing any more. Kinds that cannot be
    /// detached say so.
    Detach(Link),

    /// Puts another program in the place of a link's, in one step
    Update(Update),

    /// Says which links come, go and change, until it is interrupted
    ///
    /// With --json that is an object in each line, with the link as it is, or as it was last.
    Watch(Watch),

    /// Says which kinds of links this kernel can create
    ///
    /// The kernel is asked, and nothing is attached.
    Probe,

    /// Writes what makes a shell complete these arguments
    Completions(Completions),

    /// Writes the manual pages into a directory, such as /usr/local/share/man/man1
    Man(Man),
}

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// In this order; by default in the order of the ids
    #[arg(long, value_name = "KEY")]
    pub(crate) sort: Option<Sort>,

    /// As JSON, with an object in each line and not one array of them
    #[arg(long)]
    pub(crate) json_lines: bool,

    #[command(flatten)]
    pub(crate) with: With,

    #[command(flatten)]
    pub(crate) filter: Filter,
}

/// What a list is sorted by. Links of which it is the same are in the order of their ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    /// By the name of the kind
    Kind,
    /// By the name of the program
    Prog,
    /// By what the link is attached to
    Hook,
}

/// Which links are shown: those to which all of this applies.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Which links")]
pub(crate) struct Filter {
    /// Of one of these kinds, such as xdp,tcx, or their numbers
    #[arg(long = "kind", value_name = "KIND", value_delimiter = ',', value_parser = kind)]
    pub(crate) kinds: Vec<LinkKind>,

    /// Of the program with this id, or of programs with this name
    ///
    /// The kernel keeps 15 characters of a name, so that is what is compared.
    #[arg(long = "prog", value_name = "ID|NAME", value_parser = named(program_id))]
    pub(crate) program: Option<Named<ProgramId>>,

    /// On the network device of this name, or with this index
    ///
    /// Devices of other network namespaces have no names here.
    #[arg(long = "dev", value_name = "NAME|INDEX", value_parser = named(index))]
    pub(crate) device: Option<Named<u32>>,

    /// On this network namespace, by a file such as /run/netns/a, or by its inode
    #[arg(long, value_name = "FILE|INODE", value_parser = named(inode))]
    pub(crate) netns: Option<Named<u64>>,

    /// On this cgroup, by its directory or by its id
    #[arg(long, value_name = "DIR|ID", value_parser = named(inode))]
    pub(crate) cgroup: Option<Named<u64>>,

    /// That this process holds, as --holders finds it
    #[arg(long)]
    pub(crate) pid: Option<u32>,

    /// That are pinned, with their pins
    #[arg(long)]
    pub(crate) pinned: bool,

    /// That are without their hook
    #[arg(long)]
    pub(crate) defunct: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    #[command(flatten)]
    pub(crate) link: Link,

    #[command(flatten)]
    pub(crate) with: With,
}

/// What is looked for besides the links.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct With {
    /// With every path on every bpffs of this mount namespace that a link is pinned at
    #[arg(long)]
    pub(crate) pins: bool,

    /// With the processes that hold a descriptor of a link
    #[arg(long)]
    pub(crate) holders: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Pin {
    #[command(flatten)]
    pub(crate) link: Link,

    /// Where to pin it; nothing that is there is overwritten
    pub(crate) path: PathBuf,
}

/// The link that a command is about.
#[derive(Debug, clap::Args)]
pub(crate) struct Link {
    /// The id of the link, or the path of its pin
    #[arg(value_name = "LINK", value_parser = named(link_id))]
    pub(crate) link: Named<LinkId>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Update {
    #[command(flatten)]
    pub(crate) link: Link,

    /// The id of the new program, or the path of its pin
    #[arg(value_name = "PROG", value_parser = named(program_id))]
    pub(crate) program: Named<ProgramId>,

    /// Only if the link has this program
    #[arg(long, value_name = "PROG", value_parser = named(program_id))]
    pub(crate) expect: Option<Named<ProgramId>>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Watch {
    /// How long to wait between two looks, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    pub(crate) interval: Duration,

    /// With the time (UTC) at which each change was seen
    #[arg(long)]
    pub(crate) timestamps: bool,

    /// Only what changes, without the links that are there at the start
    #[arg(long)]
    pub(crate) changes_only: bool,

    #[command(flatten)]
    pub(crate) filter: Filter,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: Shell,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Man {
    /// The directory, which is made if it is not there
    pub(crate) directory: PathBuf,
}

/// Something by its number, or by its name or path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Named<N> {
    Number(N),
    Name(OsString),
}

/// What is written in digits is a number, and anything else is a name.
fn named<N: Clone + Send + Sync + 'static>(
    number: fn(&str) -> Result<N, String>,
) -> impl TypedValueParser<Value = Named<N>> {
    OsStringValueParser::new().try_map(move |text| {
        let digits = text.to_str().filter(|text| {
            let mut bytes = text.bytes();
            !text.is_empty() && bytes.all(|byte| byte.is_ascii_digit())
        });
        digits.map_or_else(
            || Ok(Named::Name(text.clone())),
            |digits| number(digits).map(Named::Number),
        )
    })
}

fn kind(text: &str) -> Result<LinkKind, String> {
    text.parse().map_err(|_| {
        let known = LinkKind::KNOWN.iter().copied();
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
        .ok_or_else(|| format!("an id is a number from 1 to {}", u32::MAX))
}

fn index(text: &str) -> Result<u32, String> {
    text.parse()
        .map_err(|_| format!("an index is a number up to {}", u32::MAX))
}

fn inode(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("this is a number up to {}", u64::MAX))
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

    fn parse(arguments: &[&str]) -> Result<Args, clap::Error> {
        Args::try_parse_from([&["bpf-links"], arguments].concat())
    }

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
    fn links_are_ids_and_paths() {
        let link = |text: &str| match parse(&["show", text]).map(|args| args.command) {
            Ok(Command::Show(show)) => Some(show.link.link),
            _ => None,
        };
        let id = LinkId::new(5).expect("it is not 0");
        assert_eq!(link("5"), Some(Named::Number(id)));
        for path in ["./5", "/sys/fs/bpf/5", "5a"] {
            assert_eq!(link(path), Some(Named::Name(path.into())), "{path}");
        }
        for wrong in ["0", "4294967296", "-5"] {
            assert_eq!(link(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn json_goes_with_every_command() {
        for arguments in [&["-j", "list"][..], &["list", "--json"], &["probe", "-j"]] {
            assert!(
                parse(arguments).is_ok_and(|args| args.json),
                "{arguments:?}"
            );
        }
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
