//! Counters of the hardware and the kernel.

use bpf_link::{PerfEvent, PerfEventConfig, Target};

use super::counted;
use crate::error::Result;

/// A counter of the hardware or the kernel.
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is attached yet"]
pub struct CounterEvent {
    config: PerfEventConfig<'static>,
}

impl CounterEvent {
    /// What this type (`PERF_TYPE_*`) and configuration (`PERF_COUNT_*`) count, of every thread on
    /// the first processor. The program runs each time that it has counted this far.
    pub fn new(event_type: u32, config: u64, sample_period: u64) -> Self {
        Self {
            config: PerfEventConfig::new(event_type, config).sample_period(sample_period),
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
    /// use bpf_link_typed::{CounterEvent, PerfEventAttach};
    ///
    /// # fn example(program: std::fs::File) -> bpf_link_typed::Result<()> {
    /// // The processor clock (`PERF_TYPE_SOFTWARE` and `PERF_COUNT_SW_CPU_CLOCK`), each millisecond.
    /// let clock = CounterEvent::new(1, 0, 1_000_000).inherit_threads();
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
    ///
    /// # Errors
    ///
    /// [`Error::File`](crate::Error::File): sysfs does not say which processors are online.
    pub fn each_processor(&self) -> Result<Vec<Self>> {
        let processors = counted::processors()?.into_iter();
        Ok(processors.map(|number| self.processor(number)).collect())
    }

    pub(super) fn open(&self) -> Result<PerfEvent> {
        Ok(PerfEvent::open(&self.config)?)
    }

    pub(super) fn target(&self) -> Target {
        self.config.target()
    }
}
