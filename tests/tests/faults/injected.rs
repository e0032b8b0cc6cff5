//! A command under `strace`, with a fault in one of its calls.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result};

use crate::call::Call;

/// A fault: the call of this place in each thread, counted from 1, fails with this error number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Injection {
    pub(crate) call: Call,
    pub(crate) errno: i32,
    pub(crate) place: usize,
}

/// What came of a command.
#[derive(Debug)]
pub(crate) struct Traced {
    pub(crate) output: Output,
    /// Each call of the traced sort, as it was logged, with its thread.
    pub(crate) calls: Vec<(i32, String)>,
}

impl Traced {
    /// The calls that were made to fail, as they were logged, by thread.
    pub(crate) fn hit(&self) -> BTreeMap<i32, &str> {
        let hit = self.calls.iter();
        hit.filter(|(_, call)| call.ends_with("(INJECTED)"))
            .map(|(thread, call)| (*thread, call.as_str()))
            .collect()
    }
}

/// Runs the command to its end under `strace`, which logs the calls of all its threads, with the
/// fault if there is one.
pub(crate) fn run(
    command: &Command,
    call: Call,
    injection: Option<Injection>,
    name: &str,
) -> Result<Traced> {
    run_under(
        Command::new("strace").arg("-f"),
        command,
        call,
        injection,
        name,
    )
}

/// The same for the command's first thread only: what it starts is left alone.
pub(crate) fn run_alone(
    command: &Command,
    call: Call,
    injection: Option<Injection>,
    name: &str,
) -> Result<Traced> {
    run_under(&mut Command::new("strace"), command, call, injection, name)
}

fn run_under(
    strace: &mut Command,
    command: &Command,
    call: Call,
    injection: Option<Injection>,
    name: &str,
) -> Result<Traced> {
    let log = Log::new(name);
    // Nothing but the calls; structures as they are.
    strace.args(["-qq", "-e", "signal=none", "-o"]);
    strace.arg(&log.0);
    strace.arg("-e").arg(format!("trace={}", call.name()));
    if let Some(Injection { call, errno, place }) = injection {
        strace
            .arg("-e")
            .arg(format!("inject={}:error={errno}:when={place}", call.name()));
    }
    strace.arg("--").arg(command.get_program());
    strace.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => strace.env(name, value),
            None => strace.env_remove(name),
        };
    }
    // What cargo adds here has the loader look for libraries in many places, with calls that count.
    strace.env_remove("LD_LIBRARY_PATH");
    let output = strace
        .stdin(Stdio::null())
        .output()
        .context("starting strace")?;
    let text = std::fs::read_to_string(&log.0).context("the log of strace")?;
    let calls = text.lines().map(|line| {
        // Where there may be several threads, each line begins with the number of one.
        let numbered = line.split_once(' ').and_then(|(thread, call)| {
            let thread = thread.parse().ok()?;
            Some((thread, call.trim_start().to_owned()))
        });
        numbered.unwrap_or_else(|| (0, line.to_owned()))
    });
    Ok(Traced {
        output,
        calls: calls.collect(),
    })
}

/// Where the log is written; removed when this is dropped.
#[derive(Debug)]
struct Log(PathBuf);

impl Log {
    fn new(name: &str) -> Self {
        let name = format!("bpf-link-faults-{}-{name}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // It is not there if strace did not start.
        let _ = std::fs::remove_file(&self.0);
    }
}
