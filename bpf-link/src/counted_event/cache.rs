//! Events of the processors' caches, each made of three numbers.

use std::fmt;
use std::str::FromStr;

use crate::open_enum::open_enum;
use crate::unknown_name::UnknownName;

open_enum! {
    /// A cache of a processor (`enum perf_hw_cache_id`).
    pub enum HardwareCache {
        /// Data of the first level.
        L1d = PERF_COUNT_HW_CACHE_L1D, "L1-dcache";
        /// Instructions of the first level.
        L1i = PERF_COUNT_HW_CACHE_L1I, "L1-icache";
        /// The last level.
        Ll = PERF_COUNT_HW_CACHE_LL, "LLC";
        /// Translations of the addresses of data.
        Dtlb = PERF_COUNT_HW_CACHE_DTLB, "dTLB";
        /// Translations of the addresses of instructions.
        Itlb = PERF_COUNT_HW_CACHE_ITLB, "iTLB";
        /// Predictions of branches.
        Bpu = PERF_COUNT_HW_CACHE_BPU, "branch";
        /// Memory of the same NUMA node.
        Node = PERF_COUNT_HW_CACHE_NODE, "node";
    }
}

open_enum! {
    /// What is done to a cache (`enum perf_hw_cache_op_id`).
    pub enum CacheOperation {
        /// Read.
        Read = PERF_COUNT_HW_CACHE_OP_READ, "load", "loads";
        /// Written.
        Write = PERF_COUNT_HW_CACHE_OP_WRITE, "store", "stores";
        /// Read ahead.
        Prefetch = PERF_COUNT_HW_CACHE_OP_PREFETCH, "prefetch", "prefetches";
    }
}

open_enum! {
    /// Which accesses to a cache are counted (`enum perf_hw_cache_op_result_id`).
    pub enum CacheResult {
        /// All.
        Access = PERF_COUNT_HW_CACHE_RESULT_ACCESS, "refs";
        /// Those that miss.
        Miss = PERF_COUNT_HW_CACHE_RESULT_MISS, "misses";
    }
}

/// An event of a processor's cache, such as `L1-dcache-load-misses` or `LLC-stores`. Few processors
/// count all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CacheEvent {
    /// Which cache.
    pub cache: HardwareCache,
    /// What is done to it.
    pub operation: CacheOperation,
    /// Which accesses are counted.
    pub result: CacheResult,
}

impl CacheEvent {
    /// The event of this configuration; `None` if that is longer than three bytes.
    pub(super) fn from_config(config: u32) -> Option<Self> {
        let [cache, operation, result, 0] = config.to_le_bytes() else {
            return None;
        };
        Some(Self {
            cache: HardwareCache::from_raw(cache.into()),
            operation: CacheOperation::from_raw(operation.into()),
            result: CacheResult::from_raw(result.into()),
        })
    }

    /// A byte for each number. What is too large for one is the largest, which no kernel knows.
    pub(super) fn config(self) -> u32 {
        let byte = |number: u32| u8::try_from(number).unwrap_or(u8::MAX);
        u32::from_le_bytes([
            byte(self.cache.as_raw()),
            byte(self.operation.as_raw()),
            byte(self.result.as_raw()),
            0,
        ])
    }

    /// Each of those that this release has names for.
    #[cfg(test)]
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..7 * 3 * 2).filter_map(|number| {
            Self::from_config((number % 7) | (number / 7 % 3) << 8 | (number / 21) << 16)
        })
    }
}

/// Writes it as the `perf` tool does: `L1-dcache-loads`, `L1-dcache-load-misses`.
impl fmt::Display for CacheEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            cache, operation, ..
        } = self;
        match (self.result, operation) {
            (CacheResult::Access, CacheOperation::Prefetch) => write!(f, "{cache}-prefetches"),
            (CacheResult::Access, CacheOperation::Read | CacheOperation::Write) => {
                write!(f, "{cache}-{operation}s")
            }
            (result, _) => write!(f, "{cache}-{operation}-{result}"),
        }
    }
}

/// Reads what [`Display`](fmt::Display) writes, and `L1-dcache-load-refs`.
impl FromStr for CacheEvent {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let unknown = || UnknownName::new("CacheEvent", text);
        let (rest, last) = text.rsplit_once('-').ok_or_else(unknown)?;
        let (cache, operation, result) = match last {
            "loads" | "stores" | "prefetches" => (rest, last, CacheResult::Access),
            _ => {
                let (cache, operation) = rest.rsplit_once('-').ok_or_else(unknown)?;
                (cache, operation, last.parse().map_err(|_| unknown())?)
            }
        };
        Ok(Self {
            cache: cache.parse().map_err(|_| unknown())?,
            operation: operation.parse().map_err(|_| unknown())?,
            result,
        })
    }
}
