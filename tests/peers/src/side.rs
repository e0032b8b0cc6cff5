//! One side of a comparison.

use std::time::{Duration, Instant};

/// Something that does the same as the other sides of a comparison.
pub struct Side<'a> {
    name: &'static str,
    /// Does it so many times; how long that took.
    run: Box<dyn FnMut(u64) -> Duration + 'a>,
}

impl<'a> Side<'a> {
    /// A side of this name that does `work`.
    pub fn new(name: &'static str, mut work: impl FnMut() + 'a) -> Self {
        let run = move |times| {
            let start = Instant::now();
            for _ in 0..times {
                work();
            }
            start.elapsed()
        };
        Self {
            name,
            run: Box::new(run),
        }
    }

    /// The same, with something done before each run that is not timed.
    #[must_use]
    pub fn after(self, mut first: impl FnMut() + 'a) -> Self {
        let mut run = self.run;
        let run = move |times| {
            let each = (0..times).map(|_| {
                first();
                run(1)
            });
            each.sum()
        };
        Self {
            name: self.name,
            run: Box::new(run),
        }
    }

    /// This library.
    pub fn ours(work: impl FnMut() + 'a) -> Self {
        Self::new("ours", work)
    }

    /// The system calls with nothing around them.
    pub fn bare(work: impl FnMut() + 'a) -> Self {
        Self::new("bare", work)
    }

    /// The library aya.
    pub fn aya(work: impl FnMut() + 'a) -> Self {
        Self::new("aya", work)
    }

    /// The library libbpf-rs, on top of libbpf.
    pub fn libbpf(work: impl FnMut() + 'a) -> Self {
        Self::new("libbpf-rs", work)
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn run(&mut self, times: u64) -> Duration {
        (self.run)(times)
    }
}
