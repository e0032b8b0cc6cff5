//! The events that counters count, by the names that the `perf` tool has for them.

mod cache;

use std::fmt;
use std::str::FromStr;

use bpf_link_sys as c;

use crate::open_enum::open_enum;
use crate::unknown_name::UnknownName;

pub use cache::{CacheEvent, CacheOperation, CacheResult, HardwareCache};

open_enum! {
    /// An event that the kernel counts without help of the hardware (`enum perf_sw_ids`).
    pub enum SoftwareEvent {
        /// Nanoseconds of a processor.
        CpuClock = PERF_COUNT_SW_CPU_CLOCK, "cpu-clock";
        /// Nanoseconds for which a task runs.
        TaskClock = PERF_COUNT_SW_TASK_CLOCK, "task-clock";
        /// Page faults.
        PageFaults = PERF_COUNT_SW_PAGE_FAULTS, "page-faults", "faults";
        /// Switches from one task to another.
        ContextSwitches = PERF_COUNT_SW_CONTEXT_SWITCHES, "context-switches", "cs";
        /// Moves of a task to another processor.
        CpuMigrations = PERF_COUNT_SW_CPU_MIGRATIONS, "cpu-migrations", "migrations";
        /// Page faults without input or output.
        MinorFaults = PERF_COUNT_SW_PAGE_FAULTS_MIN, "minor-faults";
        /// Page faults with input or output.
        MajorFaults = PERF_COUNT_SW_PAGE_FAULTS_MAJ, "major-faults";
        /// Accesses to unaligned addresses that the kernel has to handle; never on x86.
        AlignmentFaults = PERF_COUNT_SW_ALIGNMENT_FAULTS, "alignment-faults";
        /// Instructions that the kernel has to emulate.
        EmulationFaults = PERF_COUNT_SW_EMULATION_FAULTS, "emulation-faults";
        /// Nothing.
        Dummy = PERF_COUNT_SW_DUMMY, "dummy";
        /// What programs send with `bpf_perf_event_output`.
        BpfOutput = PERF_COUNT_SW_BPF_OUTPUT, "bpf-output";
        /// Switches to a task of another cgroup. Since Linux 5.13.
        CgroupSwitches = PERF_COUNT_SW_CGROUP_SWITCHES, "cgroup-switches";
    }
}

open_enum! {
    /// An event that processors count (`enum perf_hw_id`). Many virtual machines do not have
    /// them.
    pub enum HardwareEvent {
        /// Cycles, whatever the frequency is.
        CpuCycles = PERF_COUNT_HW_CPU_CYCLES, "cpu-cycles", "cycles";
        /// Retired instructions.
        Instructions = PERF_COUNT_HW_INSTRUCTIONS, "instructions";
        /// Accesses to the cache, as a rule the last level's.
        CacheReferences = PERF_COUNT_HW_CACHE_REFERENCES, "cache-references";
        /// Misses of the cache, as a rule the last level's.
        CacheMisses = PERF_COUNT_HW_CACHE_MISSES, "cache-misses";
        /// Retired branch instructions.
        BranchInstructions = PERF_COUNT_HW_BRANCH_INSTRUCTIONS, "branch-instructions", "branches";
        /// Branches that were predicted wrongly.
        BranchMisses = PERF_COUNT_HW_BRANCH_MISSES, "branch-misses";
        /// Cycles of the bus.
        BusCycles = PERF_COUNT_HW_BUS_CYCLES, "bus-cycles";
        /// Cycles in which no instruction is issued.
        StalledCyclesFrontend = PERF_COUNT_HW_STALLED_CYCLES_FRONTEND,
            "stalled-cycles-frontend", "idle-cycles-frontend";
        /// Cycles in which no instruction is retired.
        StalledCyclesBackend = PERF_COUNT_HW_STALLED_CYCLES_BACKEND,
            "stalled-cycles-backend", "idle-cycles-backend";
        /// Cycles at a frequency that stays the same.
        RefCpuCycles = PERF_COUNT_HW_REF_CPU_CYCLES, "ref-cycles";
    }
}

/// An event that a counter counts.
///
/// It is read from the names that the `perf` tool has: `cpu-clock`, `page-faults`, `cycles`,
/// `L1-dcache-load-misses` and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CountedEvent {
    /// Of the kernel's own.
    Software(SoftwareEvent),
    /// Of the processors.
    Hardware(HardwareEvent),
    /// Of the processors' caches.
    Cache(CacheEvent),
    /// Another one.
    Other {
        /// `perf_event_attr.type`: `PERF_TYPE_*`, or the number of a PMU in sysfs.
        event_type: u32,
        /// `perf_event_attr.config`, whose meaning depends on the type.
        config: u64,
    },
}

impl CountedEvent {
    /// The event with this type and configuration.
    #[must_use]
    pub fn from_raw(event_type: u32, config: u64) -> Self {
        let other = Self::Other { event_type, config };
        let Ok(number) = u32::try_from(config) else {
            return other;
        };
        match event_type {
            c::PERF_TYPE_SOFTWARE => Self::Software(SoftwareEvent::from_raw(number)),
            c::PERF_TYPE_HARDWARE => Self::Hardware(HardwareEvent::from_raw(number)),
            c::PERF_TYPE_HW_CACHE => CacheEvent::from_config(number).map_or(other, Self::Cache),
            _ => other,
        }
    }

    /// `perf_event_attr.type`.
    #[must_use]
    pub fn event_type(self) -> u32 {
        match self {
            Self::Software(_) => c::PERF_TYPE_SOFTWARE,
            Self::Hardware(_) => c::PERF_TYPE_HARDWARE,
            Self::Cache(_) => c::PERF_TYPE_HW_CACHE,
            Self::Other { event_type, .. } => event_type,
        }
    }

    /// `perf_event_attr.config`.
    #[must_use]
    pub fn config(self) -> u64 {
        match self {
            Self::Software(event) => event.as_raw().into(),
            Self::Hardware(event) => event.as_raw().into(),
            Self::Cache(event) => event.config().into(),
            Self::Other { config, .. } => config,
        }
    }
}

/// Writes the name, or the numbers where there is no name.
impl fmt::Display for CountedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Software(event) if event.name().is_some() => event.fmt(f),
            Self::Hardware(event) if event.name().is_some() => event.fmt(f),
            Self::Cache(event) => event.fmt(f),
            _ => write!(f, "{:#x} of type {}", self.config(), self.event_type()),
        }
    }
}

/// Reads a name.
impl FromStr for CountedEvent {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        // A number alone does not say of which type it is.
        let is_name = text.parse::<u32>().is_err();
        let software = || text.parse().map(Self::Software);
        let hardware = || text.parse().map(Self::Hardware);
        let cache = || text.parse().map(Self::Cache);
        let found = software().or_else(|_| hardware()).or_else(|_| cache());
        found
            .ok()
            .filter(|_| is_name)
            .ok_or_else(|| UnknownName::new("event", text))
    }
}

macro_rules! from_events {
    ($($Variant:ident($Event:ty)),+) => {$(
        impl From<$Event> for CountedEvent {
            fn from(event: $Event) -> Self {
                Self::$Variant(event)
            }
        }
    )+};
}

from_events!(
    Software(SoftwareEvent),
    Hardware(HardwareEvent),
    Cache(CacheEvent)
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_and_read() {
        let caches = CacheEvent::all().map(CountedEvent::from);
        let software = SoftwareEvent::KNOWN.iter().copied().map(Into::into);
        let hardware = HardwareEvent::KNOWN.iter().copied().map(Into::into);
        for event in software.chain(hardware).chain(caches) {
            assert_eq!(event.to_string().parse(), Ok(event));
            assert_eq!(
                CountedEvent::from_raw(event.event_type(), event.config()),
                event
            );
        }
        for (name, event_type, config) in [
            ("cpu-clock", 1, 0),
            ("faults", 1, 2),
            ("cycles", 0, 0),
            ("ref-cycles", 0, 9),
            ("L1-dcache-load-misses", 3, 0x1_0000),
            ("LLC-stores", 3, 0x102),
            ("dTLB-store-refs", 3, 0x103),
            ("branch-load-misses", 3, 0x1_0005),
        ] {
            let event: CountedEvent = name.parse().expect("perf has this name");
            assert_eq!((event.event_type(), event.config()), (event_type, config));
        }
        for wrong in ["", "7", "clock", "L1-dcache", "L1-dcache-load", "-loads"] {
            let error = wrong.parse::<CountedEvent>().expect_err("it is no name");
            assert_eq!(error.name(), wrong);
        }
    }

    #[test]
    fn numbers_are_kept() {
        for (event_type, config) in [
            (0, 99),
            (0, 4 << 32),
            (1, 12),
            (1, u64::MAX),
            (2, 1),
            (3, 0x09_0807),
            (3, 0x0100_0000),
            (6, 0),
            (u32::MAX, u64::MAX),
        ] {
            let event = CountedEvent::from_raw(event_type, config);
            assert_eq!((event.event_type(), event.config()), (event_type, config));
        }
        let unknown = CountedEvent::from_raw(1, 0x63);
        assert_eq!(unknown, SoftwareEvent::Unknown(99).into());
        assert_eq!(unknown.to_string(), "0x63 of type 1");
    }
}
