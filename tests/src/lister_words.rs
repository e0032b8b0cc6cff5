//! What might be typed after `bpf-links`: words that it knows, and some that it does not.

/// Commands, and a word that is not a command.
pub const COMMANDS: &[&str] = &[
    "list",
    "show",
    "hooks",
    "pin",
    "unpin",
    "detach",
    "update",
    "watch",
    "probe",
    "completions",
    "man",
    "help",
    "no",
];

/// Options, and a word that is not an option.
pub const OPTIONS: &[&str] = &[
    "--kind",
    "--prog",
    "--dev",
    "--netns",
    "--cgroup",
    "--pid",
    "--pinned",
    "--defunct",
    "--sort",
    "--json",
    "-j",
    "--json-lines",
    "--pins",
    "--holders",
    "--expect",
    "--interval",
    "--timestamps",
    "--changes-only",
    "--help",
    "-h",
    "--version",
    "-V",
    "--",
    "--no",
];

/// What options and commands are given.
pub const VALUES: &[&str] = &[
    "1",
    "0",
    "-1",
    "4294967295",
    "4294967296",
    "xdp",
    "xdp,tcx",
    "99",
    "lo",
    "map:1",
    "hook",
    "bash",
    "/sys/fs/bpf/a",
    "0.01",
    "1e300",
    "NaN",
    "inf",
    "",
];
