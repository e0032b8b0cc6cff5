//! The agent of the guides, while it runs.

use anyhow::{Result, bail, ensure};
use rustix::process::Signal;

use crate::typed::Typed;

/// Its links, in the order of the report.
pub(crate) const LINKS: [&str; 3] = ["lo_xdp", "lo_ingress", "egress"];

/// A running agent, which is killed when this is dropped.
pub(crate) struct Agent(Typed);

impl Agent {
    pub(crate) fn start(command: &str) -> Result<Self> {
        Ok(Self(Typed::start(command)?))
    }

    /// Waits for a line of which this holds; only lines about counted packets may come before it.
    pub(crate) fn says(&mut self, is_it: impl Fn(&str) -> bool) -> Result<()> {
        while let Some(line) = self.0.line()? {
            if is_it(&line) {
                return Ok(());
            }
            ensure!(line.starts_with("counted "), "{line}");
        }
        bail!("the agent ended before: {:?}", self.0.wait()?)
    }

    /// Waits for the report of a start, in which this was done about each link.
    pub(crate) fn says_of_each_link(&mut self, done: &str) -> Result<()> {
        for name in LINKS {
            let begin = format!("{name}: link ");
            let is_it = |line: &str| line.starts_with(&begin) && line.contains(done);
            self.says(is_it)?;
        }
        Ok(())
    }

    /// Waits for its end, which has to be a good one.
    pub(crate) fn leaves(&mut self) -> Result<()> {
        self.0.end_well()
    }

    /// Ends it by a signal.
    pub(crate) fn end(mut self, signal: Signal) -> Result<()> {
        self.0.end(signal)
    }
}
