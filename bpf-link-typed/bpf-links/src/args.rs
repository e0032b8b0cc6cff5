//! The arguments, and the help.

// With its path, as the fuzzer includes this file by path, too.
#[path = "args/place.rs"]
mod place;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use bpf_link_typed::{LinkId, LinkKind, ProgramId};
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub(crate) use place::Place;

/// Show and change this machine's BPF links.
///
/// A BPF link keeps a program attached to a hook for as long as a process or a pin holds the link.
/// This command shows which links exist, what they are attached to, and which programs they run.
///
/// LINK is a link's id or the path of its pin. PROG is a program's id or the path of its pin. Write
/// a path that is all digits as ./5.
#[derive(Debug, Parser)]
#[command(
    name = "bpf-links",
    version,
    max_term_width = 100,
    after_long_help = "\
Examples:
  bpf-links list --kind xdp,tcx --pins
  bpf-links show /sys/fs/bpf/agent/lo
  bpf-links hooks lo /sys/fs/cgroup/system.slice
  bpf-links list --defunct --json-lines | jq .id

Exit status: 0 on success; 1 if something failed, with the reason on standard error; 2 for wrong usage. If the kernel refuses to \
describe a link, `list` and `watch` name it, go on with the others, and exit with 1.

Listing links, and opening one by id, needs CAP_SYS_ADMIN in the initial user namespace. Anyone who may read and write a pin can \
open the link through it. If anything else cannot be found out, standard error says so.

Environment: set NO_COLOR to turn colours off."
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Print JSON, with the keys of `bpftool -j link show` and a few more
    #[arg(short, long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List this machine's links
    ///
    /// A link that comes or goes while the list is made may be missing. Every other link is listed
    /// once.
    List(List),

    /// Show one link in detail
    Show(Show),

    /// Show what is attached to devices, cgroups, network namespaces and maps
    ///
    /// This also shows programs that were attached without a link, such as XDP set over netlink and
    /// classic tc filters. The programs of each hook are in the order in which they run.
    ///
    /// Without a PLACE, show what is attached to the devices of this network namespace, to the
    /// namespace itself, and directly to each cgroup. If you name a cgroup, the programs that it
    /// inherits are shown as well.
    Hooks(Hooks),

    /// Pin a link on a bpffs, so that it stays attached when no process holds it
    ///
    /// Its other pins stay.
    Pin(Pin),

    /// Remove one pin (by path), or all pins of a link (by id)
    ///
    /// With an id, every bpffs of this mount namespace is searched. If nothing else holds the link,
    /// its program is detached.
    Unpin(Link),

    /// Detach a link from its hook now, even if others hold it
    ///
    /// The link exists until its last holder is gone, but its program no longer runs. Some kinds
    /// cannot be detached; unpin those.
    Detach(Link),

    /// Replace the program of a link atomically
    Update(Update),

    /// Report links that come, go or change, until interrupted
    ///
    /// With --json: one object per line, with the link as it is now, or as it was last seen. A link
    /// that starts to match the filters is reported as one that came; a link that stops matching
    /// them, as one that went.
    Watch(Watch),

    /// Show which kinds of links this kernel can create
    ///
    /// This asks the kernel; nothing is attached.
    Probe,

    /// Print a completion script for a shell
    Completions(Completions),

    /// Write the man pages to a directory, such as /usr/local/share/man/man1
    Man(Man),
}

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Sort by this key instead of by id
    #[arg(long, value_name = "KEY")]
    pub(crate) sort: Option<Sort>,

    /// Print JSON, one object per line instead of an array
    #[arg(long)]
    pub(crate) json_lines: bool,

    #[command(flatten)]
    pub(crate) with: With,

    #[command(flatten)]
    pub(crate) filter: Filter,
}

/// What a list is sorted by. Ties are in the order of the ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    /// By the name of the kind
    Kind,
    /// By the name of the program
    Prog,
    /// By what the link is attached to
    Hook,
}

/// Which links are shown: those that match every filter.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Filters")]
pub(crate) struct Filter {
    /// Only these kinds, by name or number: xdp,tcx
    #[arg(long = "kind", value_name = "KIND", value_delimiter = ',', value_parser = kind)]
    pub(crate) kinds: Vec<LinkKind>,

    /// Only links of the program with this id or name
    ///
    /// The kernel keeps 15 characters of a name, and a program's BTF has the rest. For a program
    /// without BTF, only these 15 are compared.
    #[arg(long = "prog", value_name = "ID|NAME", value_parser = named(program_id))]
    pub(crate) program: Option<Named<ProgramId>>,

    /// Only links on this network device, by name or index
    ///
    /// A name is looked up in this network namespace, or in that of --netns. An index matches in
    /// every namespace.
    #[arg(long = "dev", value_name = "NAME|INDEX", value_parser = named(index))]
    pub(crate) device: Option<Named<u32>>,

    /// Only links on this network namespace: a file such as /run/netns/a, or an inode number
    ///
    /// If this process is in another namespace, links on devices of the given one are included only
    /// if a snapshot of all links can be taken (Linux 5.19), or if that namespace is mounted or has
    /// a process in it. Netfilter links are never included, because the kernel does not say which
    /// namespace they are in.
    #[arg(long, value_name = "FILE|INODE", value_parser = by_path(inode))]
    pub(crate) netns: Option<Named<u64>>,

    /// Only links on this cgroup: a directory or an id
    #[arg(long, value_name = "DIR|ID", value_parser = by_path(inode))]
    pub(crate) cgroup: Option<Named<u64>>,

    /// Only links that this process holds
    ///
    /// For `list`, this implies --holders.
    #[arg(long, value_parser = process_id)]
    pub(crate) pid: Option<u32>,

    /// Only pinned links
    ///
    /// For `list`, this implies --pins.
    #[arg(long)]
    pub(crate) pinned: bool,

    /// Only links whose hook is gone, or that were detached
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

#[derive(Debug, clap::Args)]
pub(crate) struct Hooks {
    /// A device (name or index), map:ID, or the path of a cgroup, network namespace or pinned map
    ///
    /// Write a path that has no slash as ./a.
    #[arg(value_name = "PLACE", value_parser = OsStringValueParser::new().try_map(Place::parse))]
    pub(crate) places: Vec<Place>,

    /// Look for devices in this network namespace: a file such as /run/netns/a
    ///
    /// Without a PLACE, show all its devices and the namespace itself, and no cgroups.
    #[arg(long, value_name = "FILE", value_parser = OsStringValueParser::new().try_map(file))]
    pub(crate) netns: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) with: With,
}

/// What to find besides the links.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct With {
    /// Show all pins on every bpffs of this mount namespace
    #[arg(long)]
    pub(crate) pins: bool,

    /// Show the processes that have the link open
    #[arg(long)]
    pub(crate) holders: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Pin {
    #[command(flatten)]
    pub(crate) link: Link,

    /// Where to pin it; must not exist yet
    pub(crate) path: PathBuf,
}

/// The link to act on.
#[derive(Debug, clap::Args)]
pub(crate) struct Link {
    /// The link's id, or the path of its pin
    #[arg(value_name = "LINK", value_parser = by_path(link_id))]
    pub(crate) link: Named<LinkId>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Update {
    #[command(flatten)]
    pub(crate) link: Link,

    /// The new program's id, or the path of its pin
    #[arg(value_name = "PROG", value_parser = by_path(program_id))]
    pub(crate) program: Named<ProgramId>,

    /// Update only if the link runs this program now
    #[arg(long, value_name = "PROG", value_parser = by_path(program_id))]
    pub(crate) expect: Option<Named<ProgramId>>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Watch {
    /// Seconds between looks
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    pub(crate) interval: Duration,

    /// Prefix each change with the time (UTC) at which it was seen
    #[arg(long)]
    pub(crate) timestamps: bool,

    /// Do not list the links that exist at the start
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
    /// The directory; created if missing
    pub(crate) directory: PathBuf,
}

/// Something by its number, or by its name or path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Named<N> {
    Number(N),
    Name(OsString),
}

/// Digits are a number; anything else is a name.
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

/// Digits are a number; anything else is a path, which is not empty.
fn by_path<N: Clone + Send + Sync + 'static>(
    number: fn(&str) -> Result<N, String>,
) -> impl TypedValueParser<Value = Named<N>> {
    named(number).try_map(|named| match named {
        Named::Name(path) if path.is_empty() => Err("expected a number or a path"),
        named => Ok(named),
    })
}

fn file(path: OsString) -> Result<PathBuf, &'static str> {
    if path.is_empty() {
        return Err("expected a path");
    }
    Ok(path.into())
}

fn kind(text: &str) -> Result<LinkKind, String> {
    text.parse().map_err(|_| {
        let known = LinkKind::KNOWN.iter().copied();
        let names: Vec<&str> = known.filter_map(LinkKind::name).collect();
        format!("known kinds: {}; numbers work too", names.join(", "))
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
        .ok_or_else(|| format!("expected an id from 1 to {}", u32::MAX))
}

fn index(text: &str) -> Result<u32, String> {
    text.parse()
        .map_err(|_| format!("expected an index up to {}", u32::MAX))
}

fn inode(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("expected a number up to {}", u64::MAX))
}

fn process_id(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "expected a process id".to_owned())
}

fn interval(text: &str) -> Result<Duration, String> {
    const SHORTEST: Duration = Duration::from_millis(10);
    let seconds = text.parse().ok();
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|interval| *interval >= SHORTEST)
        .ok_or_else(|| "expected seconds, at least 0.01".to_owned())
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
    fn hooks_are_of_any_number_of_places() {
        let hooks = |netns| parse(&["hooks", "lo", "5", "/a", "--netns", netns, "--pins"]);
        assert!(matches!(
            hooks("/b").map(|args| args.command),
            Ok(Command::Hooks(hooks)) if hooks.places.len() == 3 && hooks.with.pins
        ));
        assert!(hooks("").is_err());
        assert!(parse(&["hooks", "map:0"]).is_err());
    }

    #[test]
    fn an_empty_path_is_wrong_usage() {
        for arguments in [
            &["show", ""][..],
            &["unpin", ""],
            &["pin", "", "/sys/fs/bpf/a"],
            &["update", "", "1"],
            &["update", "1", ""],
            &["update", "1", "2", "--expect", ""],
            &["list", "--netns", ""],
            &["list", "--cgroup", ""],
            &["watch", "--cgroup="],
        ] {
            let refused = parse(arguments).expect_err("it is empty").to_string();
            let why = "expected a number or a path";
            assert!(refused.contains(why), "{arguments:?}: {refused}");
        }
    }

    #[test]
    fn processes_are_numbers() {
        let pid = |text| parse(&["list", "--pid", text]).map(|args| args.command);
        assert!(matches!(pid("1"), Ok(Command::List(list)) if list.filter.pid == Some(1)));
        for wrong in ["abc", "", "4294967296"] {
            let refused = pid(wrong).expect_err("it is not a process id").to_string();
            assert!(
                refused.contains("expected a process id"),
                "{wrong}: {refused}"
            );
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
