//! Programs that count how often they run: the evidence of what is attached.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anyhow::Result;
use bpf_link_tests::{CounterMap, Hook, Loader, Program, eventually, eventually_holds, sys};

/// A program that counts its runs, or a map with such a program.
#[derive(Debug)]
pub(crate) struct Counting {
    object: OwnedFd,
    /// Its id as info has it: none for a map.
    program_id: Option<u32>,
    counter: CounterMap,
}

impl Counting {
    /// A program that counts.
    pub(crate) fn program(hook: Hook) -> Result<Self> {
        Self::loaded(Loader::new(hook))
    }

    /// A program that is loaded like this, and counts.
    pub(crate) fn loaded(loader: Loader<'_>) -> Result<Self> {
        let counter = CounterMap::new()?;
        let program = loader.counting(&counter).passing()?;
        Self::of(program, counter)
    }

    /// A program that counts in this counter.
    pub(crate) fn of(program: Program, counter: CounterMap) -> Result<Self> {
        Ok(Self {
            program_id: Some(program.id()?),
            object: program.into(),
            counter,
        })
    }

    /// A map with a program that counts in this counter.
    pub(crate) fn map(map: OwnedFd, counter: CounterMap) -> Self {
        Self {
            object: map,
            program_id: None,
            counter,
        }
    }

    /// Its id as info has it: none for a map.
    pub(crate) fn program_id(&self) -> Option<u32> {
        self.program_id
    }

    /// How often it has run.
    pub(crate) fn count(&self) -> Result<u64> {
        self.counter.read()
    }

    /// How often the kernel has skipped it, because it was running already on the same processor.
    ///
    /// The kernel never runs such a program inside itself. Where the program can be preempted, as
    /// on tracepoints since Linux 7.0, another process gets the processor in the middle of a run,
    /// and what that process does there is not seen by the program.
    pub(crate) fn missed(&self) -> Result<u64> {
        Ok(match self.program_id {
            Some(_) => sys::prog_info(self.object.as_fd())?.recursion_misses,
            None => 0,
        })
    }

    /// Whether what `work` does makes it run. It is done again if the kernel has missed something
    /// meanwhile.
    pub(crate) fn runs(&self, mut work: impl FnMut() -> Result<()>) -> Result<bool> {
        eventually("a run, or none without a miss", || {
            let (count, missed) = (self.count()?, self.missed()?);
            work()?;
            let ran = self.count()? > count;
            Ok((ran || self.missed()? == missed).then_some(ran))
        })
    }

    /// Waits until it has stopped: until what `work` does does not make it run any more.
    ///
    /// When the last reference to a link is dropped, the kernel removes the link's id first and
    /// takes the program off its hook after that, often in a worker. So that there is no such link
    /// any more does not tell that its program has stopped.
    pub(crate) fn stops(&self, mut work: impl FnMut() -> Result<()>) -> Result<()> {
        eventually_holds("the program has stopped", || Ok(!self.runs(&mut work)?))
    }
}

impl AsFd for Counting {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.object.as_fd()
    }
}
