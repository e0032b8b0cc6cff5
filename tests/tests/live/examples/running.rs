//! An example that runs.

use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use crate::fixture::ran::Ran;
use crate::harness::example;

/// What an example says once it has attached everything, and waits.
const WAITS: &str = "Press Enter ";

/// An example that runs in a process of its own, and is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Running {
    name: &'static str,
    child: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
}

impl Running {
    pub(super) fn start(name: &'static str, arguments: &[&str]) -> Result<Self> {
        let mut child = command(name, arguments)?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context(name)?;
        let output = child.stdout.take().context("it has an output")?;
        Ok(Self {
            name,
            input: child.stdin.take(),
            child,
            output: BufReader::new(output).lines(),
        })
    }

    /// Starts it, and returns what it says until it has attached everything.
    pub(super) fn attached(name: &'static str, arguments: &[&str]) -> Result<(Self, String)> {
        let mut running = Self::start(name, arguments)?;
        let mut said = String::new();
        loop {
            let line = running.line()?;
            if line.starts_with(WAITS) {
                return Ok((running, said));
            }
            said += &line;
            said.push('\n');
        }
    }

    /// The next line that it writes.
    pub(super) fn line(&mut self) -> Result<String> {
        match self.output.next() {
            Some(line) => Ok(line?),
            None => bail!("{} has ended: {:?}", self.name, self.child.wait()?),
        }
    }

    /// Lets it go on to its end, which has to be a good one; returns what it says last.
    pub(super) fn end(mut self) -> Result<String> {
        self.input = None;
        let mut said = String::new();
        for line in &mut self.output {
            said += &line?;
            said.push('\n');
        }
        let status = self.child.wait()?;
        ensure!(status.success(), "{}: {status}: {said}", self.name);
        Ok(said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs an example that does not wait.
pub(super) fn run(name: &str, arguments: &[&str]) -> Result<Ran> {
    Ran::of(command(name, arguments)?)
}

fn command(name: &str, arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(example::path(name)?);
    // What it has to say about an error depends on that.
    command.args(arguments).env_remove("RUST_BACKTRACE");
    Ok(command)
}
