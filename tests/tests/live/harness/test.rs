//! A test, as data.

use std::time::Duration;

use anyhow::{Context as _, Result};
use bpf_link_tests::Sandbox;

use super::need::{Need, Place};

/// A live test.
#[derive(Debug)]
pub(crate) struct Test {
    module: &'static str,
    function: &'static str,
    needs: [&'static [Need]; 3],
    /// Whether no other test may run at the same time.
    pub(super) alone: bool,
    /// How long it may take.
    pub(super) limit: Duration,
    /// The test itself.
    pub(super) run: fn(&Sandbox) -> Result<()>,
}

impl Test {
    /// What [`test!`] makes.
    pub(crate) const fn new(
        module: &'static str,
        function: &'static str,
        run: fn(&Sandbox) -> Result<()>,
    ) -> Self {
        Self {
            module,
            function,
            needs: [&[]; 3],
            alone: false,
            limit: Duration::from_secs(180),
            run,
        }
    }

    /// Says what the test needs that not every kernel or machine has.
    pub(crate) const fn needs(self, needs: &'static [Need]) -> Self {
        let [_, more, even_more] = self.needs;
        Self {
            needs: [needs, more, even_more],
            ..self
        }
    }

    /// As [`needs`](Self::needs), for what the test needs beyond what its kind of link does.
    pub(crate) const fn also_needs(self, more: &'static [Need]) -> Self {
        let needs = match self.needs {
            [needs, [], []] => [needs, more, &[]],
            [needs, already, []] => [needs, already, more],
            _ => panic!("a test has room for three lists of needs"),
        };
        Self { needs, ..self }
    }

    /// Says that no other test may run at the same time: for a test that opens links that are not
    /// its own, as each walk of all links does. As long as they are open, links that other tests
    /// have closed stay.
    pub(crate) const fn alone(self) -> Self {
        Self {
            alone: true,
            ..self
        }
    }

    /// Says that the test may take this many minutes, and not three: on an emulated machine that
    /// others use as well.
    pub(crate) const fn minutes(self, minutes: u64) -> Self {
        Self {
            limit: Duration::from_secs(minutes * 60),
            ..self
        }
    }

    /// All that the test needs.
    pub(super) fn all_needs(&self) -> impl Iterator<Item = Need> {
        self.needs.into_iter().flatten().copied()
    }

    /// The first thing that is missing, in words, of what is asked for at this place.
    pub(super) fn missing(&self, place: Place) -> Result<Option<String>> {
        for need in self.all_needs() {
            if need.place() != place {
                continue;
            }
            if let Some(missing) = need.missing().with_context(|| format!("{need:?}"))? {
                return Ok(Some(missing));
            }
        }
        Ok(None)
    }

    /// Its name, which is that of its file and that of its function.
    pub(crate) fn name(&self) -> String {
        let file = self
            .module
            .split_once("::")
            .map_or(self.module, |(_crate, file)| file);
        format!("{file}::{}", self.function)
    }
}

/// Lists a function of this file as a test.
macro_rules! test {
    ($function:ident) => {
        $crate::harness::Test::new(module_path!(), stringify!($function), $function)
    };
}
pub(crate) use test;
