//! The other processes of a test: the owner of a link that is killed, somebody else who updates it.
//!
//! A role is a function that the test binary runs in a process of its own. It is in the sandbox of
//! the test that started it, names what it makes as the test does, and talks with the test in lines
//! over its standard input and output.

use std::ffi::OsStr;
use std::io::{BufReader, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::{names, sys};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};

/// The variable that makes a process play the role that it names.
pub(super) const VARIABLE: &str = "BPF_LINK_ROLE";

/// What a process other than the test's does.
#[derive(Debug)]
pub(crate) struct Role {
    module: &'static str,
    function: &'static str,
    run: fn(&[String]) -> Result<()>,
}

/// Lists a function of this file as a role.
macro_rules! role {
    ($function:ident) => {
        $crate::harness::Role::new(module_path!(), stringify!($function), $function)
    };
}
pub(crate) use role;

impl Role {
    /// What [`role!`] makes.
    pub(crate) const fn new(
        module: &'static str,
        function: &'static str,
        run: fn(&[String]) -> Result<()>,
    ) -> Self {
        Self {
            module,
            function,
            run,
        }
    }

    fn name(&self) -> String {
        format!("{}::{}", self.module, self.function)
    }

    /// Starts a process that plays the role, and dies with the thread that has started it.
    pub(crate) fn start(&self, arguments: &[&str]) -> Result<Player> {
        self.start_with(names::prefix(), arguments)
    }

    /// The same, with names that do not say which test they are of: nobody looks whether it has
    /// left something.
    pub(crate) fn start_with_whole_names(&self, arguments: &[&str]) -> Result<Player> {
        self.start_with("", arguments)
    }

    /// The same with this variable in its environment.
    pub(crate) fn start_in(
        &self,
        (variable, value): (&str, &OsStr),
        arguments: &[&str],
    ) -> Result<Player> {
        self.play(
            self.command(names::prefix(), arguments)
                .env(variable, value),
        )
    }

    fn start_with(&self, prefix: &str, arguments: &[&str]) -> Result<Player> {
        self.play(&mut self.command(prefix, arguments))
    }

    fn command(&self, prefix: &str, arguments: &[&str]) -> Command {
        let name = self.name();
        let mut command = Command::new("/proc/self/exe");
        command
            .arg0(&name)
            .args(arguments)
            .env(VARIABLE, &name)
            .env(names::PREFIX_VARIABLE, prefix)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A process has one tracer, and where this is built with AddressSanitizer, its leak
            // detector would be another.
            .env("ASAN_OPTIONS", "detect_leaks=0");
        command
    }

    fn play(&self, command: &mut Command) -> Result<Player> {
        let name = self.name();
        let mut child = command
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        let lines = child
            .stdin
            .take()
            .context("the role has no standard input")?;
        let answers = child
            .stdout
            .take()
            .context("the role has no standard output")?;
        Ok(Player {
            name,
            child,
            lines: Some(lines),
            answers: BufReader::new(answers),
        })
    }
}

/// A process that plays a role, and is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Player {
    name: String,
    child: Child,
    lines: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Player {
    /// The id of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a line.
    pub(crate) fn tell(&mut self, line: &str) -> Result<()> {
        let lines = self
            .lines
            .as_mut()
            .context("the role is not listening any more")?;
        writeln!(lines, "{line}").with_context(|| format!("telling {} {line}", self.name))
    }

    /// Waits for the next line that it sends.
    pub(crate) fn hear(&mut self) -> Result<String> {
        let heard = read_line(&mut self.answers)?;
        heard.with_context(|| format!("{} has ended", self.name))
    }

    /// Tells it to go on, and counts the system calls of its first thread for which `counts`
    /// returns true, until it ends.
    pub(crate) fn count_calls(self, counts: impl Fn(i64) -> bool) -> Result<usize> {
        let mut traced = self.trace("go")?;
        let mut calls = 0;
        while let Some(call) = traced.next_call()? {
            calls += usize::from(counts(i64::try_from(call)?));
        }
        traced.finish()?;
        Ok(calls)
    }

    /// Likewise, how many threads and processes the first thread starts.
    pub(crate) fn count_threads(self) -> Result<usize> {
        self.count_calls(|call| [libc::SYS_clone, libc::SYS_clone3].contains(&call))
    }

    /// Has it stop at each system call that it makes from now on, from where it is waiting for a
    /// line.
    pub(crate) fn trace(mut self, line: &str) -> Result<Traced> {
        let process = Pid::from_child(&self.child);
        sys::trace(process).context("tracing the role")?;
        sys::interrupt(process).context("interrupting the role")?;
        let mut traced = Traced {
            process,
            player: None,
        };
        ensure!(traced.stops()?, "{} has ended", self.name);
        self.tell(line)?;
        traced.player = Some(self);
        Ok(traced)
    }

    /// Whether it has opened the file at this path.
    pub(crate) fn has_open(&self, path: &Path) -> Result<bool> {
        let descriptors = format!("/proc/{}/fd", self.child.id());
        for entry in std::fs::read_dir(descriptors)? {
            // It may be closed by now.
            if std::fs::read_link(entry?.path()).is_ok_and(|found| found == path) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Kills it, as `kill -9` does, and waits until it is gone.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        let status = self.child.wait()?;
        let is_killed = status.signal() == Some(Signal::KILL.as_raw());
        ensure!(is_killed, "{} had exited before: {status}", self.name);
        Ok(())
    }

    /// Lets it go on to its end, which has to be a good one.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.lines = None;
        let status = self.child.wait()?;
        ensure!(status.success(), "{} ended badly: {status}", self.name);
        Ok(())
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        // It may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process that plays a role, and is stopped.
#[derive(Debug)]
pub(crate) struct Traced {
    process: Pid,
    player: Option<Player>,
}

impl Traced {
    /// Lets it go on until it is about to make its next system call, whose number comes back; none
    /// if it has ended.
    pub(crate) fn next_call(&mut self) -> Result<Option<u64>> {
        loop {
            sys::to_next_system_call(self.process).context("letting the role go on")?;
            if !self.stops()? {
                return Ok(None);
            }
            let ahead = sys::system_call_ahead(self.process).context("asking for the call")?;
            if ahead.is_some() {
                return Ok(ahead);
            }
        }
    }

    /// Waits until it is stopped; or has ended, and then no.
    fn stops(&mut self) -> Result<bool> {
        let id = WaitId::Pid(self.process);
        let either = WaitIdOptions::STOPPED | WaitIdOptions::EXITED;
        // What has ended is left to who has started it.
        let seen = waitid(id.clone(), either | WaitIdOptions::NOWAIT)?;
        if !seen.is_some_and(|status| status.trapped() || status.stopped()) {
            return Ok(false);
        }
        waitid(id, WaitIdOptions::STOPPED)?;
        Ok(true)
    }

    /// Kills it before the call with this number, counting from 1. Returns the system call that it
    /// did not make, or `None` if it made fewer calls and came to its end, which has to be a good
    /// one.
    pub(crate) fn kill_before(mut self, number: usize) -> Result<Option<u64>> {
        for _ in 1..number {
            if self.next_call()?.is_none() {
                self.finish()?;
                return Ok(None);
            }
        }
        let ahead = self.next_call()?;
        match ahead {
            Some(_) => self.kill()?,
            None => self.finish()?,
        }
        Ok(ahead)
    }

    /// Kills it where it is: the call that it is about to make is not made.
    pub(crate) fn kill(self) -> Result<()> {
        match self.player {
            Some(player) => player.kill(),
            None => Ok(()),
        }
    }

    /// After its end, which has to be a good one.
    pub(crate) fn finish(self) -> Result<()> {
        match self.player {
            Some(player) => player.finish(),
            None => Ok(()),
        }
    }

    /// After its end, which has to be a good one: the last line that it sent.
    pub(crate) fn finish_with_answer(mut self) -> Result<String> {
        let player = self.player.as_mut().context("it was not told")?;
        let answer = player.hear()?;
        self.finish()?;
        Ok(answer)
    }
}

/// In a role: sends the test a line.
pub(crate) fn say(line: &str) -> Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}")?;
    output.flush().context("answering the test")
}

/// In a role: waits for the next line from the test; none where no more will come.
pub(crate) fn listen() -> Result<Option<String>> {
    read_line(&mut std::io::stdin().lock())
}

fn read_line(reader: &mut impl std::io::BufRead) -> Result<Option<String>> {
    let mut line = String::new();
    let read = reader.read_line(&mut line)?;
    Ok((read > 0).then(|| line.trim_end().to_owned()))
}

/// Plays the role of this name.
pub(super) fn run(name: &str, roles: &[&'static Role]) -> ExitCode {
    let Some(role) = roles.iter().find(|role| role.name() == name) else {
        eprintln!("there is no role {name}");
        return ExitCode::FAILURE;
    };
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let death = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    match death
        .map_err(Into::into)
        .and_then(|()| (role.run)(&arguments))
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error:?}");
            ExitCode::FAILURE
        }
    }
}
