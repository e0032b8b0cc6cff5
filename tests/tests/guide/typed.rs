//! Commands as a reader types them.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Lines, Read as _, Seek as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use anyhow::{Context as _, Result, ensure};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, Signal, kill_process};

use crate::place::CGROUPS;

/// What is to be typed, by a text in Markdown. A command may go on in the next line.
pub(crate) fn commands(text: &str) -> Vec<String> {
    let blocks = text.split("```console\n").skip(1);
    let lines = blocks.filter_map(|block| block.split("```").next());
    let lines = lines.collect::<String>().replace("\\\n", "");
    lines.lines().map(str::to_owned).collect()
}

/// What a command writes, which has to end well.
pub(crate) fn output(command: &str) -> Result<String> {
    let mut typed = Typed::start(command)?;
    let mut output = String::new();
    while let Some(line) = typed.line()? {
        output += &line;
        output.push('\n');
    }
    typed.end_well()?;
    Ok(output)
}

/// A command that runs, and is killed when this is dropped.
pub(crate) struct Typed {
    command: String,
    process: Child,
    output: Lines<BufReader<ChildStdout>>,
    errors: File,
}

impl Typed {
    pub(crate) fn start(command: &str) -> Result<Self> {
        let errors = File::from(memfd_create("errors", MemfdFlags::CLOEXEC)?);
        let mut process = Command::new("sh")
            // The shell makes way for the command, so that signals reach that.
            .arg("-c")
            .arg(format!("echo $$ >{CGROUPS}/cgroup.procs && exec {command}"))
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            // There is no network in the place of a test, which cargo would wait for.
            .env("CARGO_NET_OFFLINE", "true")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors.try_clone()?)
            .spawn()?;
        let output = process.stdout.take().context("no output")?;
        Ok(Self {
            command: command.to_owned(),
            process,
            output: BufReader::new(output).lines(),
            errors,
        })
    }

    /// The next line that it writes; nothing once it has ended.
    pub(crate) fn line(&mut self) -> Result<Option<String>> {
        Ok(self.output.next().transpose()?)
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> Result<ExitStatus> {
        while self.line()?.is_some() {}
        Ok(self.process.wait()?)
    }

    /// Waits for its end, which has to be a good one.
    pub(crate) fn end_well(&mut self) -> Result<()> {
        let status = self.wait()?;
        ensure!(
            status.success(),
            "{}: {status}: {}",
            self.command,
            self.errors()?
        );
        Ok(())
    }

    /// What it has written about errors.
    pub(crate) fn errors(&self) -> Result<String> {
        let mut errors = String::new();
        let mut file = &self.errors;
        file.rewind()?;
        file.read_to_string(&mut errors)?;
        Ok(errors)
    }

    /// Presses Enter.
    pub(crate) fn enter(&mut self) -> Result<()> {
        let mut input = self.process.stdin.take().context("no input")?;
        Ok(input.write_all(b"\n")?)
    }

    /// Ends it by a signal, and by nothing else. Not by that of a terminal, which
    /// is ignored by what a shell started in the background.
    pub(crate) fn end(&mut self, signal: Signal) -> Result<()> {
        // Until it is waited for, the signal reaches nobody else.
        kill_process(Pid::from_child(&self.process), signal)?;
        let status = self.wait()?;
        ensure!(
            status.signal() == Some(signal.as_raw()),
            "{}: {status}: {}",
            self.command,
            self.errors()?
        );
        Ok(())
    }
}

impl Drop for Typed {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
