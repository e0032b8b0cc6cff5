//! The process of an agent.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use bpf_link_clients::Settings;
use bpf_link_clients::hooks::HOOKS;
use rustix::process::{Pid, Signal, kill_process};

use crate::counted::Hook;

/// The process of an agent, which is killed when this is dropped.
pub(crate) struct Agent {
    child: Child,
    output: BufReader<ChildStdout>,
    /// What it has said of each link when it was started.
    report: Vec<String>,
}

impl Agent {
    /// Starts an agent, and waits until it is ready.
    pub(crate) fn start(program: &str, settings: &Settings) -> Result<Self> {
        let mut child = Command::new(program)
            .args(settings.arguments())
            .stdout(Stdio::piped())
            .spawn()
            .context(program.to_owned())?;
        let output = BufReader::new(child.stdout.take().context("its output")?);
        let mut agent = Self {
            child,
            output,
            report: Vec::new(),
        };
        loop {
            let mut line = String::new();
            let read = agent.output.read_line(&mut line)?;
            ensure!(read > 0, "it has ended after {:#?}", agent.report);
            match line.trim_end() {
                "ready" => return Ok(agent),
                line => agent.report.push(line.to_owned()),
            }
        }
    }

    /// It has said this of each of its links, and nothing else, when it was started.
    pub(crate) fn ensure_reported<'e>(&self, expected: impl Fn(Hook) -> &'e str) -> Result<()> {
        ensure_said(&self.report, expected)
    }

    /// Kills it, as `kill -9` does, and waits until it is gone.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        let status = self.child.wait()?;
        let is_killed = status.signal() == Some(Signal::KILL.as_raw());
        ensure!(is_killed, "it had exited before: {status}");
        Ok(())
    }

    /// Stops it, and waits until it is gone: it has to say this of each of its links.
    pub(crate) fn stop(mut self, expected: &str) -> Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let mut said = String::new();
        self.output.read_to_string(&mut said)?;
        let status = self.child.wait()?;
        ensure!(status.success(), "it ended badly: {status}");
        let mut said: Vec<String> = said.lines().map(ToOwned::to_owned).collect();
        // The last link is the first to be let go of.
        said.reverse();
        ensure_said(&said, |_| expected)
    }
}

fn ensure_said<'e>(said: &[String], expected: impl Fn(Hook) -> &'e str) -> Result<()> {
    ensure!(said.len() == HOOKS.len(), "it said {said:#?}");
    for (line, hook) in said.iter().zip(HOOKS) {
        let rest = line.strip_prefix(hook.0);
        let rest = rest.and_then(|line| line.strip_prefix(": "));
        let expected = expected(hook);
        ensure!(
            rest.is_some_and(|rest| rest.contains(expected)),
            "it said {line:?}, and not {expected:?} of {}",
            hook.0
        );
    }
    Ok(())
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
