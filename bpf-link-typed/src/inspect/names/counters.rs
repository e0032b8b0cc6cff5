//! What counters and clocks count.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bpf_link::{CacheEvent, CountedEvent, SoftwareEvent};

use crate::kinds::PerfCounter;

/// Where the kernel lists its sources of events.
const SOURCES: &str = "/sys/bus/event_source/devices";
/// The sources whose numbers never change (`PERF_TYPE_*`), by the names that `bpftool` has for
/// them.
const FIXED: [&str; 6] = [
    "hardware",
    "software",
    "tracepoint",
    "hw-cache",
    "raw",
    "breakpoint",
];

impl PerfCounter {
    /// Whether its type means the same on each machine.
    #[cfg(feature = "serde")]
    pub(crate) fn has_fixed_source(&self) -> bool {
        fixed(self.event_type).is_some()
    }
}

fn fixed(event_type: u32) -> Option<&'static str> {
    FIXED.get(usize::try_from(event_type).ok()?).copied()
}

/// What a counter counts, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CounterName {
    /// The sort of event (`software`, `hardware`), or the name that sysfs has for its source.
    pub source: Option<Cow<'static, str>>,
    /// The event, by the name that the `perf` tool has for it.
    pub event: Option<Cow<'static, str>>,
}

/// The sources of events that have numbers of their own on each machine.
#[derive(Debug, Default)]
pub(super) struct Sources(Mutex<Option<Arc<BTreeMap<u32, String>>>>);

impl Sources {
    pub(super) fn name(&self, event_type: u32, config: u64) -> CounterName {
        if let Some(source) = fixed(event_type) {
            return CounterName {
                source: Some(source.into()),
                event: event_name(CountedEvent::from_raw(event_type, config)),
            };
        }
        match self.listed().get(&event_type) {
            Some(source) => CounterName {
                source: Some(source.clone().into()),
                event: None,
            },
            None => unlisted(config),
        }
    }

    fn listed(&self) -> Arc<BTreeMap<u32, String>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let listed = known.get_or_insert_with(|| Arc::new(read(Path::new(SOURCES))));
        Arc::clone(listed)
    }

    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

/// A source that sysfs does not list. The kernel's two software clocks are such sources: an event
/// that was opened as a software event reads back with the clock's own number.
fn unlisted(config: u64) -> CounterName {
    let clock = match u32::try_from(config).map(SoftwareEvent::from_raw) {
        Ok(clock @ (SoftwareEvent::CpuClock | SoftwareEvent::TaskClock)) => clock.name(),
        _ => None,
    };
    CounterName {
        source: clock.map(|_| "software".into()),
        event: clock.map(Cow::Borrowed),
    }
}

fn event_name(event: CountedEvent) -> Option<Cow<'static, str>> {
    match event {
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

/// Reads the number of each source. Sources come and go with modules, so one that cannot be read
/// is left out.
fn read(directory: &Path) -> BTreeMap<u32, String> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let sources = entries.filter_map(|entry| {
        let entry = entry.ok()?;
        let number = fs::read_to_string(entry.path().join("type")).ok()?;
        let name = entry.file_name().into_string().ok()?;
        Some((number.trim().parse().ok()?, name))
    });
    sources.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// These are listed; their configurations would be those of clocks if they were not.
    fn sources() -> Sources {
        let listed = BTreeMap::from([(8, "uprobe".to_owned()), (9, "msr".to_owned())]);
        Sources(Mutex::new(Some(Arc::new(listed))))
    }

    fn names(event_type: u32, config: u64) -> (Option<String>, Option<String>) {
        let CounterName { source, event } = sources().name(event_type, config);
        (source.map(Cow::into_owned), event.map(Cow::into_owned))
    }

    fn some(source: &str, event: &str) -> (Option<String>, Option<String>) {
        let part = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        (part(source), part(event))
    }

    #[test]
    fn sources_and_events_have_names() {
        assert_eq!(names(1, 2), some("software", "page-faults"));
        assert_eq!(names(0, 0), some("hardware", "cpu-cycles"));
        assert_eq!(names(3, 0x01_0103), some("hw-cache", "dTLB-store-misses"));
        assert_eq!(names(4, 1), some("raw", ""));
        assert_eq!(names(1, u64::MAX), some("software", ""));
        assert_eq!(names(9, 0), some("msr", ""));
    }

    #[test]
    fn clocks_are_known_by_their_configurations() {
        assert_eq!(names(6, 0), some("software", "cpu-clock"));
        assert_eq!(names(7, 1), some("software", "task-clock"));
        assert_eq!(names(6, 2), some("", ""));
        assert_eq!(names(6, 1 << 32), some("", ""));
    }
}
