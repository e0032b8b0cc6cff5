//! A child, from its start to its end.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bpf_link_tests::{PATIENCE, names};
use rustix::event::{PollFd, PollFlags};
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, PidfdFlags, Signal};

use super::Test;
use super::child;
use super::outcome::Outcome;

/// A child that has ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// The number that the process had.
    pub(super) number: u32,
    status: ExitStatus,
    limit: Duration,
    in_time: bool,
    verdict: Vec<u8>,
    /// What it wrote to its standard output and error.
    pub(super) output: String,
}

impl Ended {
    /// Starts a child for the test and waits until it has ended, or kills it at its limit. The
    /// processes that it has started are killed in any case.
    pub(super) fn of(test: &Test) -> Result<Self> {
        let (verdict, verdict_end) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        let (output, output_end) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        let mut command = Command::new("/proc/self/exe");
        command
            .arg0(test.name())
            .env(child::VARIABLE, test.name())
            .env_remove(names::PREFIX_VARIABLE)
            .stdin(Stdio::from(verdict_end))
            .stdout(Stdio::from(output_end.try_clone()?))
            .stderr(Stdio::from(output_end))
            .process_group(0);
        let mut child = command.spawn().context("starting the test's process")?;
        // The command has the pipes' other ends open, as long as it is there.
        drop(command);

        let (in_time, status, verdict, output) = std::thread::scope(|scope| {
            let verdict = scope.spawn(|| read_to_end(verdict));
            let output = scope.spawn(|| read_to_end(output));
            let in_time = has_ended_within(test.limit, &child);
            // Once nobody is left to write, the pipes end.
            let status = kill_all(&mut child);
            (in_time, status, verdict.join(), output.join())
        });
        let (in_time, status) = (in_time?, status?);
        let (Ok(verdict), Ok(output)) = (verdict, output) else {
            bail!("reading from the test's process panicked");
        };
        let (verdict, output) = (verdict?, output?);
        Ok(Self {
            number: child.id(),
            status,
            limit: test.limit,
            in_time,
            verdict,
            output: String::from_utf8_lossy(&output).into_owned(),
        })
    }

    /// What became of the test.
    pub(super) fn outcome(&self) -> Outcome {
        if !self.in_time {
            return self.failed(&format!(
                "killed, as it had not ended after {:?}",
                self.limit
            ));
        }
        match Outcome::from_line(&self.verdict) {
            None => self.failed(&format!("ended without a verdict: {}", self.status)),
            Some(Outcome::Failed(why)) => self.failed(&why),
            Some(_) if !self.status.success() => {
                self.failed(&format!("ended badly after its verdict: {}", self.status))
            }
            Some(outcome) => outcome,
        }
    }

    fn failed(&self, why: &str) -> Outcome {
        if self.output.is_empty() {
            return Outcome::Failed(why.to_owned());
        }
        Outcome::Failed(format!("{why}\nits output:\n{}", self.output.trim_end()))
    }
}

/// Waits for the child to end. Says whether it has, or its time was up.
fn has_ended_within(limit: Duration, child: &Child) -> Result<bool> {
    let process = rustix::process::pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    let mut watched = [PollFd::new(&process, PollFlags::IN)];
    let ready = rustix::event::poll(&mut watched, Some(&limit.try_into()?))?;
    Ok(ready > 0)
}

/// Kills the child, if it has not ended, and the processes that it has started.
fn kill_all(child: &mut Child) -> Result<ExitStatus> {
    // The group is there as long as the child has not been waited for, also where it has ended by
    // itself.
    let killed = rustix::process::kill_process_group(Pid::from_child(child), Signal::KILL);
    if !has_ended_within(PATIENCE, child)? {
        // It would never be over: what waits for its pipes waits with it.
        eprintln!(
            "process {} cannot be killed: the kernel holds it",
            child.id()
        );
        std::process::exit(1);
    }
    let status = child.wait()?;
    killed?;
    Ok(status)
}

/// All that comes out of a pipe, until nobody has its other end any more.
fn read_to_end(pipe: OwnedFd) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    File::from(pipe).read_to_end(&mut content)?;
    Ok(content)
}
