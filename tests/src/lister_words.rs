//! What might be typed behind `bpf-links`: words that it knows, and some that it does not.

/// Commands, and a word that is none.
pub const COMMANDS: &[&str] = &[
    "list", "show", "pin", "unpin", "detach", "update", "watch", "help", "no",
];

/// Options, and a word that is none.
pub const OPTIONS: &[&str] = &[
    "--id",
    "--pin",
    "--kind",
    "--prog",
    "--json",
    "--json-lines",
    "--pinned",
    "--holders",
    "--prog-pin",
    "--old-prog-pin",
    "--interval",
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
    "99",
    "/sys/fs/bpf/a",
    "0.01",
    "1e300",
    "NaN",
    "inf",
    "",
];
