//! The counters and clocks that perf events count, by the names that `bpftool` has for them.

use std::borrow::Cow;

use bpf_link_typed::{CacheEvent, CountedEvent};

const TYPES: [&str; 6] = [
    "hardware",
    "software",
    "tracepoint",
    "hw-cache",
    "raw",
    "breakpoint",
];

/// The name of `perf_event_attr.type`.
pub(crate) fn event_type_name(event_type: u32) -> Option<&'static str> {
    TYPES.get(usize::try_from(event_type).ok()?).copied()
}

/// The name of `perf_event_attr.config`, if it is one of the type's events.
pub(crate) fn event_config_name(event_type: u32, config: u64) -> Option<Cow<'static, str>> {
    match CountedEvent::from_raw(event_type, config) {
        CountedEvent::Software(event) => event.name().map(Cow::Borrowed),
        CountedEvent::Hardware(event) => event.name().map(Cow::Borrowed),
        CountedEvent::Cache(CacheEvent {
            cache,
            operation,
            result,
        }) => {
            let (cache, operation, result) = (cache.name()?, operation.name()?, result.name()?);
            Some(format!("{cache}-{operation}-{result}").into())
        }
        _ => None,
    }
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
