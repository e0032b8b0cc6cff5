//! How those files are to be read. Any text is, without a panic.

use std::str::FromStr;

/// A file that has a number and nothing else.
pub(crate) fn number<T: FromStr>(text: &str) -> Option<T> {
    text.trim().parse().ok()
}

/// The numbers of processors in a list of ranges, such as `0-3,8,10-11`. The kernel lists each
/// once, and has fewer than 100,000.
pub(crate) fn numbers(ranges: &str) -> Option<Vec<u32>> {
    const LIMIT: u32 = 100_000;
    let mut numbers: Vec<u32> = Vec::new();
    for range in ranges.trim_end().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        let is_later = numbers.last().is_none_or(|before| *before < first);
        if !is_later || first > last || last >= LIMIT {
            return None;
        }
        numbers.extend(first..=last);
    }
    Some(numbers)
}

/// The first of the bits in the description of a field: `config:0` or `config:32-63`.
pub(crate) fn first_bit(format: &str) -> Option<u32> {
    let bits = format.trim().strip_prefix("config:")?;
    let first = bits.split('-').next()?.parse().ok()?;
    (first < u64::BITS).then_some(first)
}

/// Whether this can be the name of a tracepoint or of a category, and so one part of a path that
/// stays where it is.
///
/// The kernel's own names have no dot in them, but those of programs with several formats do
/// (`user_events_multi`).
pub(crate) fn is_name(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(is_part)
}

/// How many bytes the record of a tracepoint has, from its `format`: where its last field ends.
pub(crate) fn record_size(format: &str) -> Option<u32> {
    format.lines().filter_map(end_of_field).max()
}

/// Where a field ends: `field:int prev_prio; offset:24; size:4; signed:1;`, with tabs between.
fn end_of_field(line: &str) -> Option<u32> {
    let line = line.trim_start().strip_prefix("field:")?;
    let number = |key: &str| {
        let mut parts = line.split(';');
        let value = parts.find_map(|part| part.trim().strip_prefix(key))?;
        value.parse::<u32>().ok()
    };
    number("offset:")?.checked_add(number("size:")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_begin_at_a_bit() {
        assert_eq!(first_bit("config:0\n"), Some(0));
        assert_eq!(first_bit("config:32-63\n"), Some(32));
        for wrong in ["", "config:", "config:64", "config1:0", "config:-1"] {
            assert_eq!(first_bit(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn lists_of_processors() {
        assert_eq!(numbers("0\n"), Some(vec![0]));
        assert_eq!(numbers("0-3,8,10-11\n"), Some(vec![0, 1, 2, 3, 8, 10, 11]));
        for wrong in [
            "",
            "\n",
            "0-",
            "a",
            "0,,1",
            "3-1",
            "1,0",
            "0-2,2",
            "0-4294967295",
        ] {
            assert_eq!(numbers(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn names_are_no_paths() {
        for name in ["sched", "sched_switch", "xhci-hcd", "my_event.0", "9p"] {
            assert!(is_name(name), "{name}");
        }
        for path in [
            "",
            ".",
            "..",
            "./sched_switch",
            "../events/sched",
            "/sys/kernel/tracing/events/sched",
            "sched/sched_switch",
            "sched switch",
            "sched\0",
            "sch\u{e9}d",
        ] {
            assert!(!is_name(path), "{path}");
        }
    }

    #[test]
    fn records_end_after_their_last_field() {
        const FORMAT: &str = "name: sched_process_fork\nID: 1\nformat:\n\
            \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\n\
            \tfield:char comm[16];\toffset:8;\tsize:16;\tsigned:0;\n\
            \tfield:pid_t pid;\toffset:24;\tsize:4;\tsigned:1;\n\n\
            print fmt: \"offset:999;\tsize:1;\"\n";
        assert_eq!(record_size(FORMAT), Some(28));
        assert_eq!(record_size(""), None);
        assert_eq!(record_size("field:a; offset:4294967295; size:1;"), None);
    }
}
