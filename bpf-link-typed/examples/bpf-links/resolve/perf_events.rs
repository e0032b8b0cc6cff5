//! The counters and clocks that perf events count, by the names that the `perf` tool has for them.

use std::borrow::Cow;

const HARDWARE: u32 = 0;
const SOFTWARE: u32 = 1;
const CACHE: u32 = 3;

const TYPES: [&str; 6] = [
    "hardware",
    "software",
    "tracepoint",
    "hw-cache",
    "raw",
    "breakpoint",
];
const HARDWARE_EVENTS: [&str; 10] = [
    "cpu-cycles",
    "instructions",
    "cache-references",
    "cache-misses",
    "branch-instructions",
    "branch-misses",
    "bus-cycles",
    "stalled-cycles-frontend",
    "stalled-cycles-backend",
    "ref-cycles",
];
const SOFTWARE_EVENTS: [&str; 12] = [
    "cpu-clock",
    "task-clock",
    "page-faults",
    "context-switches",
    "cpu-migrations",
    "minor-faults",
    "major-faults",
    "alignment-faults",
    "emulation-faults",
    "dummy",
    "bpf-output",
    "cgroup-switches",
];
const CACHES: [&str; 7] = [
    "L1-dcache",
    "L1-icache",
    "LLC",
    "dTLB",
    "iTLB",
    "branch",
    "node",
];
const OPERATIONS: [&str; 3] = ["load", "store", "prefetch"];
const RESULTS: [&str; 2] = ["refs", "misses"];

/// The name of `perf_event_attr.type`.
pub(crate) fn event_type_name(event_type: u32) -> Option<&'static str> {
    named(&TYPES, event_type.into())
}

/// The name of `perf_event_attr.config`, if it is one of the type's events.
pub(crate) fn event_config_name(event_type: u32, config: u64) -> Option<Cow<'static, str>> {
    match event_type {
        HARDWARE => named(&HARDWARE_EVENTS, config).map(Cow::Borrowed),
        SOFTWARE => named(&SOFTWARE_EVENTS, config).map(Cow::Borrowed),
        CACHE => {
            let byte = |shift: u32| (config >> shift) & 0xff;
            let cache = named(&CACHES, byte(0))?;
            let operation = named(&OPERATIONS, byte(8))?;
            let result = named(&RESULTS, byte(16))?;
            Some(format!("{cache}-{operation}-{result}").into())
        }
        _ => None,
    }
}

fn named(names: &[&'static str], number: u64) -> Option<&'static str> {
    names.get(usize::try_from(number).ok()?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(event_type_name(1), Some("software"));
        assert_eq!(event_config_name(1, 2).as_deref(), Some("page-faults"));
        assert_eq!(event_config_name(0, 0).as_deref(), Some("cpu-cycles"));
        assert_eq!(
            event_config_name(3, 0x01_0103).as_deref(),
            Some("dTLB-store-misses")
        );
        assert_eq!((event_type_name(99), event_config_name(4, 1)), (None, None));
        assert_eq!(event_config_name(1, u64::MAX), None);
    }
}
