//! What a kernel's log tells of trouble in the kernel.

/// How a message begins that no kernel may print while the tests run.
const STARTS: [&str; 8] = [
    "WARNING: ",
    "BUG: ",
    "watchdog: BUG: ",
    "kernel BUG at ",
    "Oops: ",
    "UBSAN: ",
    "general protection fault",
    "Kernel panic - not syncing",
];

/// How many lines from the first sign of trouble on belong to it: registers and stack.
const EXCERPT: usize = 30;

/// How many lines before it are shown: what the tests and the kernel were at.
const BEFORE: usize = 5;

/// The messages that tell of trouble, and the log around the first of them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Trouble<'a> {
    pub(crate) messages: Vec<&'a str>,
    pub(crate) excerpt: Vec<&'a str>,
}

/// Looks through a console's lines. What a program printed is not mistaken for the kernel's words,
/// even on the same line.
pub(crate) fn trouble(console: &str) -> Option<Trouble<'_>> {
    let lines: Vec<&str> = console.lines().map(str::trim_end).collect();
    let messages = lines
        .iter()
        .filter_map(|line| message(line))
        .filter(|message| is_trouble(message))
        .collect();
    let first = lines
        .iter()
        .position(|line| message(line).is_some_and(is_trouble))?;
    let start = first.saturating_sub(BEFORE);
    let lines = lines.into_iter().skip(start);
    let excerpt = lines.take(first - start + EXCERPT).collect();
    Some(Trouble { messages, excerpt })
}

/// The last lines of a console.
pub(crate) fn tail(console: &str) -> Vec<&str> {
    let lines: Vec<&str> = console.lines().map(str::trim_end).collect();
    let before = lines.len().saturating_sub(EXCERPT);
    lines.into_iter().skip(before).collect()
}

/// The kernel's message in a line, told by its time stamp: `[ 1.234567] message`, or with the
/// context that printed it, `[ 1.234567] [ T42] message`.
fn message(line: &str) -> Option<&str> {
    line.match_indices('[').find_map(|(at, _)| {
        let (stamp, rest) = line.get(at + 1..)?.split_once("] ")?;
        let (seconds, micros) = stamp.trim_start().split_once('.')?;
        let digits =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        (digits(seconds) && digits(micros) && micros.len() == 6).then(|| without_context(rest))
    })
}

fn without_context(message: &str) -> &str {
    match message
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("] "))
    {
        Some((context, rest)) if context.trim_start().starts_with(['T', 'C']) => rest,
        _ => message,
    }
}

/// Every kind of oops is followed by its number since the boot: `invalid opcode: 0000 [#1] SMP`.
fn is_trouble(message: &str) -> bool {
    STARTS.iter().any(|start| message.starts_with(start)) || message.contains(" [#")
}

#[cfg(test)]
mod tests {
    use super::{message, tail, trouble};

    const CLEAN: &str = "\
[    0.000000] Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on\r
[    0.412345] ACPI: PM: (supports S0 S5)\r
running 3 tests, one of them prints WARNING: nothing\r
BUG: this is a test's own line\r
[   14.000001] reboot: Power down\r
";

    #[test]
    fn a_clean_log_has_no_trouble() {
        assert_eq!(trouble(CLEAN), None);
    }

    #[test]
    fn a_warning_is_found_with_its_stack() {
        let log = "\
[    9.000000] ------------[ cut here ]------------
[    9.000001] WARNING: CPU: 0 PID: 71 at kernel/bpf/syscall.c:2987 bpf_link_free+0x5c/0x80
[    9.000002] Modules linked in: veth
[    9.000003] Call Trace:
";
        let trouble = trouble(log).expect("a warning");
        assert_eq!(
            trouble.messages,
            ["WARNING: CPU: 0 PID: 71 at kernel/bpf/syscall.c:2987 bpf_link_free+0x5c/0x80"]
        );
        assert_eq!(trouble.excerpt.len(), 4);
    }

    #[test]
    fn an_oops_is_found_by_each_of_its_lines() {
        let log = "\
[   21.5] not a time stamp: BUG: no
[   21.500000] BUG: kernel NULL pointer dereference, address: 0000000000000020
[   21.500001] #PF: supervisor read access in kernel mode
[   21.500002] Oops: 0000 [#1] PREEMPT SMP NOPTI
[   21.500003] Kernel panic - not syncing: Fatal exception
";
        let trouble = trouble(log).expect("an oops");
        assert_eq!(trouble.messages.len(), 3);
        assert!(
            trouble
                .messages
                .iter()
                .any(|message| message.starts_with("Kernel panic"))
        );
    }

    #[test]
    fn an_oops_of_a_kind_without_a_name_here_is_found_by_its_number() {
        assert!(trouble("[   21.500002] divide error: 0000 [#1] SMP NOPTI").is_some());
    }

    #[test]
    fn the_kernel_may_speak_in_the_middle_of_a_line() {
        let line = "test xdp::update ... [   12.000000] kernel BUG at mm/slub.c:305!";
        assert_eq!(message(line), Some("kernel BUG at mm/slub.c:305!"));
        assert!(trouble(line).is_some());
    }

    #[test]
    fn the_printing_context_is_not_part_of_the_message() {
        assert_eq!(
            message("[   12.000000] [   T71] WARNING: x"),
            Some("WARNING: x")
        );
        assert_eq!(message("[   12.000000] [drm] x"), Some("[drm] x"));
    }

    #[test]
    fn the_tail_is_what_there_is_of_a_short_log() {
        assert_eq!(tail("one\r\ntwo"), ["one", "two"]);
        assert_eq!(tail(&"x\n".repeat(100)).len(), super::EXCERPT);
    }
}
