//! Command lines of `bpf-links`.

/// One with each command, and with each option.
const LINES: &[&str] = &[
    "list",
    "list --kind xdp,99 --prog 18510 --sort hook",
    "list --dev eth0 --netns /run/netns/a --cgroup 5 --pid 1 --pinned --defunct",
    "list --json --pins --holders",
    "list --json-lines",
    "-j show 750938",
    "show /sys/fs/bpf/eth0 --pins --holders",
    "hooks",
    "hooks eth0 3 map:5 /sys/fs/cgroup/web.service --netns /run/netns/a",
    "hooks --json --pins --holders",
    "pin 750938 /sys/fs/bpf/eth0",
    "unpin /sys/fs/bpf/eth0",
    "detach 750938",
    "update /sys/fs/bpf/eth0 /sys/fs/bpf/new --expect=18510",
    "watch --interval 0.5 --timestamps --changes-only",
    "probe",
    "completions bash",
    "man /usr/local/share/man/man1",
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
