//! Command lines of `bpf-links`.

/// One with each command, and with each option.
const LINES: &[&str] = &[
    "list",
    "list --kind xdp --kind 99 --prog 18510",
    "list --json --pinned --holders",
    "list --json-lines",
    "show --id 750938 --json",
    "show --pin /sys/fs/bpf/eth0 --pinned --holders",
    "pin 750938 /sys/fs/bpf/eth0",
    "unpin /sys/fs/bpf/eth0",
    "detach --id=750938",
    "update --pin /sys/fs/bpf/eth0 --prog-pin /sys/fs/bpf/new --old-prog-pin /sys/fs/bpf/old",
    "watch --interval 0.5",
    "help update",
    "list --help",
    "-h",
    "--version",
];

/// With a NUL between two arguments.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let lines = LINES.iter();
    lines
        .map(|line| line.replace(' ', "\0").into_bytes())
        .collect()
}
