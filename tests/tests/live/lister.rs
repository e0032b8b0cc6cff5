//! What the tests of `bpf-links` share: running it, and reading what it has said.

mod arguments;
pub(crate) mod bpftool;
pub(crate) mod churn;
mod commands;
mod filters;
mod found;
mod hooks;
mod names;
mod refused;
mod sample;
mod scale;
mod terminal;
pub(crate) mod watch;

use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use bpf_link::{AttachType, LinkCreate, LinkId, RawLink};
use bpf_link_tests::{Sandbox, iterator};
use rustix::pipe::PipeFlags;
use serde_json::Value;

use crate::fixture::as_nobody;
use crate::fixture::ran::Ran;
use crate::harness::Listed::{self, Roles, Tests};
use crate::harness::{Need, lister};

/// What this file and those of its folder list.
pub(crate) const ALL: &[Listed] = &[
    Tests(arguments::TESTS),
    Tests(churn::TESTS),
    Tests(commands::TESTS),
    Tests(filters::TESTS),
    Tests(found::TESTS),
    Tests(hooks::TESTS),
    Tests(names::TESTS),
    Tests(refused::TESTS),
    Tests(sample::TESTS),
    Roles(sample::ROLES),
    Tests(scale::TESTS),
    Tests(terminal::TESTS),
    Tests(watch::TESTS),
];

/// What the tests of the lister need.
pub(crate) const LISTER: &[Need] = &[Need::Lister];

impl Ran {
    /// The one line in which the lister says why it failed.
    pub(crate) fn refused(self) -> Result<String> {
        ensure!(self.status == Some(1), "{self:?}");
        ensure!(self.output.is_empty(), "{self:?}");
        ensure!(self.errors.lines().count() == 1, "{self:?}");
        ensure!(self.errors.starts_with("bpf-links: "), "{self:?}");
        Ok(self.errors)
    }
}

pub(crate) fn command(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(lister::path()?);
    command.args(arguments);
    Ok(command)
}

pub(crate) fn run(arguments: &[&str]) -> Result<Ran> {
    Ran::of(command(arguments)?)
}

/// The size of a short pipe, which is the smallest that the kernel makes.
pub(crate) const PAGE: usize = 4096;

/// Starts the lister; returns it, and the end of the pipe that it writes to.
pub(crate) fn start_with_a_short_pipe(mut command: Command) -> Result<(Child, File)> {
    let (output, output_end) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    rustix::pipe::fcntl_setpipe_size(&output, PAGE)?;
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::from(output_end))
        .spawn()?;
    Ok((child, output.into()))
}

/// The link as `show` has it.
pub(crate) fn show(id: LinkId, more: &[&str]) -> Result<Value> {
    let id = id.to_string();
    let arguments = [&["show", &id, "--json"], more].concat();
    let shown = run(&arguments)?.well()?;
    ensure!(shown.lines().count() == 1, "{shown}");
    Ok(serde_json::from_str(&shown)?)
}

/// All links as `list` has them.
pub(crate) fn list(more: &[&str]) -> Result<Vec<Value>> {
    let listed = run(&[&["list", "--json-lines"], more].concat())?.well()?;
    listed
        .lines()
        .map(|line| serde_json::from_str(line).with_context(|| line.to_owned()))
        .collect()
}

/// What is under a key; null if there is nothing.
pub(crate) fn at<'a>(object: &'a Value, key: &str) -> &'a Value {
    object.get(key).unwrap_or(&Value::Null)
}

/// Links whose list is longer than a pipe holds.
pub(crate) fn many(count: usize) -> Result<Vec<RawLink>> {
    let listing = iterator("bpf_map", *b"element\n")?;
    let request = LinkCreate::new(&listing, AttachType::TraceIter);
    let links = (0..count).map(|_| RawLink::create(&request));
    Ok(links.collect::<Result<_, _>>()?)
}

/// A user without privilege, who runs the lister.
pub(crate) struct Nobody {
    program: PathBuf,
}

impl Nobody {
    /// Puts the program where that user may run it.
    pub(crate) fn new(sandbox: &Sandbox) -> Result<Self> {
        let program = sandbox.directory().join("bpf-links");
        std::fs::copy(lister::path()?, &program)?;
        std::fs::set_permissions(&program, Permissions::from_mode(0o755))?;
        Ok(Self { program })
    }

    pub(crate) fn run(&self, arguments: &[impl AsRef<OsStr> + Sync]) -> Result<Ran> {
        as_nobody(|| {
            let mut command = Command::new(&self.program);
            // Where nothing can be written.
            command.args(arguments).current_dir("/proc");
            Ran::of(command)
        })
    }
}
