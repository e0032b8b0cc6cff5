//! Counters of the hardware and the kernel.

use bpf_link::{CountedEvent, PerfEvent, PerfEventConfig, SoftwareEvent, Target};
use bpf_link_sys as c;

use super::PerfCounter;
use super::counted;
use crate::error::{Error, Result, SampleRateProblem};

/// A counter of the hardware or the kernel.
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is attached yet"]
pub struct CounterEvent {
    event: CountedEvent,
    rate: Rate,
    config: PerfEventConfig<'static>,
    processor: Option<u32>,
}

/// How often the program runs.
#[derive(Clone, Copy, Debug)]
enum Rate {
    Period(u64),
    Frequency(u64),
}

impl CounterEvent {
    /// Runs the program each time that the event has been counted so often, of every thread on the
    /// first processor; from 1 to 2⁶³ - 1 times.
    ///
    /// Of `cpu-clock` and `task-clock` that is in nanoseconds, and what is shorter than 10,000 is
    /// as long as that for the kernel.
    ///
    /// ```no_run
    /// use bpf_link_typed::{CacheEvent, CounterEvent, HardwareEvent, SoftwareEvent};
    ///
    /// # fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let each_fault = CounterEvent::with_period(SoftwareEvent::PageFaults, 1);
    /// let cycles = CounterEvent::with_period(HardwareEvent::CpuCycles, 1_000_000);
    /// let misses: CacheEvent = "L1-dcache-load-misses".parse()?;
    /// let misses = CounterEvent::with_period(misses, 1000);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "sample_period")]
    pub fn with_period(event: impl Into<CountedEvent>, period: u64) -> Self {
        Self::new(event.into(), Rate::Period(period))
    }

    /// Runs the program so many times in a second in which the event is counted, of every thread on
    /// the first processor; from once to `kernel.perf_event_max_sample_rate` times (100,000 unless
    /// somebody, or the kernel on a slow machine, has changed it).
    ///
    /// For `cpu-clock` and `task-clock` that is exact. For other events the kernel adapts the
    /// period all the time, beginning with 1.
    ///
    /// ```no_run
    /// use bpf_link_typed::{CounterEvent, SoftwareEvent};
    ///
    /// let profile = CounterEvent::with_frequency(SoftwareEvent::CpuClock, 99);
    /// ```
    #[doc(alias = "sample_freq")]
    pub fn with_frequency(event: impl Into<CountedEvent>, hertz: u64) -> Self {
        Self::new(event.into(), Rate::Frequency(hertz))
    }

    fn new(event: CountedEvent, rate: Rate) -> Self {
        let config = PerfEventConfig::new(event.event_type(), event.config());
        Self {
            event,
            rate,
            config: match rate {
                Rate::Period(period) => config.sample_period(period),
                Rate::Frequency(hertz) => config.sample_frequency(hertz),
            },
            processor: None,
        }
    }

    /// Of the thread with this id in the caller's PID namespace, on every processor; 0 for the
    /// calling thread.
    ///
    /// A process's id is that of its first thread, and no other thread of it is counted. For those
    /// that it has, use [`each_thread`](Self::each_thread); for those that it starts later,
    /// [`inherit_threads`](Self::inherit_threads).
    pub fn thread(mut self, tid: u32) -> Self {
        self.config = self.config.thread(tid);
        self
    }

    /// Also of the threads that a counted thread starts after the program is attached, and of those
    /// that they start, but not of other processes. Since Linux 5.13; `EINVAL` before.
    #[doc(alias = "inherit_thread")]
    pub fn inherit_threads(mut self) -> Self {
        self.config = self.config.inherit_threads();
        self
    }

    /// Also of the threads and the processes that a counted thread starts after the program is
    /// attached, and of those that they start.
    pub fn inherit(mut self) -> Self {
        self.config = self.config.inherit();
        self
    }

    /// On this processor only.
    pub fn processor(mut self, processor: u32) -> Self {
        self.processor = Some(processor);
        self.config = self.config.processor(processor);
        self
    }

    /// The same counter for each thread that the process with this id has now, one event for each;
    /// 0 for the calling process. Each is attached to on its own and has a link of its own.
    ///
    /// With [`inherit_threads`](Self::inherit_threads) the threads are counted that the process
    /// starts later, too. A thread that has ended since is `ESRCH` when the program is attached to
    /// it; one that started between this call and the attach is not counted.
    ///
    /// ```no_run
    /// use bpf_link_typed::{CounterEvent, PerfEventAttach, SoftwareEvent};
    ///
    /// # fn example(program: std::fs::File) -> bpf_link_typed::Result<()> {
    /// let clock = CounterEvent::with_period(SoftwareEvent::TaskClock, 1_000_000).inherit_threads();
    /// let mut links = Vec::new();
    /// for event in clock.each_thread(4711)? {
    ///     links.push(PerfEventAttach::to(event).attach(&program)?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::File`](crate::Error::File): `/proc` has no such process (`ENOENT`), or is not
    /// mounted.
    pub fn each_thread(&self, pid: u32) -> Result<Vec<Self>> {
        let threads = counted::threads(pid)?;
        Ok(threads.into_iter().map(|tid| self.thread(tid)).collect())
    }

    /// The same counter on each processor that is online now, one event for each, of the threads
    /// that it is for. Each is attached to on its own and has a link of its own.
    /// [`LinkSet::add_each_processor`](crate::LinkSet::add_each_processor) keeps such links
    /// together, over restarts and upgrades too.
    ///
    /// # Errors
    ///
    /// [`Error::File`](crate::Error::File): sysfs does not say which processors are online.
    pub fn each_processor(&self) -> Result<Vec<Self>> {
        let processors = counted::processors()?.into_iter();
        Ok(processors.map(|number| self.processor(number)).collect())
    }

    /// Refuses what the kernel would take without ever running the program, and what is beyond its
    /// limit, where that is known.
    pub(super) fn check(&self) -> Result<()> {
        const LONGEST: u64 = i64::MAX.unsigned_abs();
        match self.rate {
            Rate::Period(1..=LONGEST) => Ok(()),
            Rate::Period(period) => Err(Error::SampleRate(SampleRateProblem::Period {
                counter: Box::new(self.config.target()),
                period,
                limit: LONGEST,
            })),
            Rate::Frequency(frequency) => {
                let limit = counted::max_sample_rate();
                if frequency > 0 && limit.is_none_or(|limit| frequency <= limit) {
                    Ok(())
                } else {
                    Err(Error::SampleRate(SampleRateProblem::Frequency {
                        counter: Box::new(self.config.target()),
                        frequency,
                        limit,
                    }))
                }
            }
        }
    }

    pub(super) fn open(&self) -> Result<PerfEvent> {
        self.check()?;
        PerfEvent::open(&self.config).map_err(|source| {
            let is_of_a_pmu = matches!(self.event, CountedEvent::Other { .. });
            match (source.errno(), self.processor) {
                // A PMU may have reasons of its own.
                (Some(libc::ENODEV), Some(processor)) if !is_of_a_pmu => {
                    Error::ProcessorOffline { processor, source }
                }
                (Some(libc::ENOENT), _) => Error::EventNotCounted {
                    event: self.event,
                    source,
                },
                _ => source.into(),
            }
        })
    }

    pub(super) fn target(&self) -> Target {
        self.config.target()
    }

    /// Whether the kernel says that a link is on another event.
    pub(super) fn is_other(&self, found: &PerfCounter) -> bool {
        use SoftwareEvent::{CpuClock, TaskClock};
        let (event_type, config) = (self.event.event_type(), self.event.config());
        match self.event {
            // The kernel has numbers of its own for the types of its clocks.
            CountedEvent::Software(CpuClock | TaskClock) => {
                let is_clock =
                    found.event_type == event_type || found.event_type >= c::PERF_TYPE_MAX;
                !is_clock || found.config != config
            }
            CountedEvent::Software(_) | CountedEvent::Hardware(_) | CountedEvent::Cache(_) => {
                (found.event_type, found.config) != (event_type, config)
            }
            // What a PMU makes of its configuration is its business.
            _ => false,
        }
    }
}
