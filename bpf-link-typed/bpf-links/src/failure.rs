//! What went wrong, in one line, with the privilege that would have helped.

use std::collections::BTreeSet;
use std::error::Error as StdError;

use bpf_link::{Command, CommandError, Error, LinkId, Target};
use rustix::thread::CapabilitySet;

use crate::output;

/// How a command has ended that was not stopped by an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Done,
    /// Some links are missing, each of which was named.
    InPart,
}

/// The links that the kernel has refused to describe, each once.
#[derive(Debug, Default)]
pub(crate) struct Refused(BTreeSet<String>);

impl Refused {
    /// Says it on standard error, if that has not been said.
    pub(crate) fn add(&mut self, error: &anyhow::Error) {
        let line = line(error);
        if !self.0.contains(&line) {
            output::complain(&line);
            self.0.insert(line);
        }
    }

    pub(crate) fn status(&self) -> Status {
        if self.0.is_empty() {
            Status::Done
        } else {
            Status::InPart
        }
    }
}

/// Whether this is about a walk of all links, and not about one of them.
pub(crate) fn ends_a_walk(error: &Error) -> bool {
    let command = error.command_error().map(CommandError::command);
    command == Some(Command::LinkGetNextId)
}

/// The link that it is about.
pub(crate) fn link(error: &anyhow::Error) -> Option<LinkId> {
    match error.chain().find_map(of_link)?.command_error()?.target() {
        Target::Link(id) => Some(*id),
        _ => None,
    }
}

/// What `bpf-link` says of it.
fn of_link<'a>(cause: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    match cause.downcast_ref::<bpf_link_typed::Error>() {
        Some(bpf_link_typed::Error::Link(error)) => Some(error),
        _ => cause.downcast_ref::<Error>(),
    }
}

/// Says it on standard error.
pub(crate) fn print(error: &anyhow::Error) {
    output::complain(&line(error));
}

/// What went wrong, from the outside in.
pub(crate) fn line(error: &anyhow::Error) -> String {
    let mut line = format!("{error:#}");
    if let Some(missing) = error.chain().find_map(missing_privilege) {
        line = format!("{line} ({missing})");
    }
    line
}

/// The privilege that the caller lacks, if that is why the kernel refused.
fn missing_privilege(cause: &(dyn StdError + 'static)) -> Option<String> {
    let Error::PermissionDenied(command) = of_link(cause)? else {
        return None;
    };
    let is_by_id = matches!(
        command.command(),
        Command::LinkGetNextId
            | Command::LinkGetFdById
            | Command::ProgGetFdById
            | Command::MapGetFdById
            | Command::BtfGetFdById
    );
    let held = effective();
    Some(if is_by_id {
        if held.contains(CapabilitySet::SYS_ADMIN) {
            "CAP_SYS_ADMIN counts in the first user namespace only".to_owned()
        } else {
            "CAP_SYS_ADMIN is missing".to_owned()
        }
    } else if command.command() == Command::ProgQuery {
        lacking(held, CapabilitySet::NET_ADMIN, "CAP_NET_ADMIN")?
    } else if command.errno() == Some(rustix::io::Errno::ACCESS.raw_os_error()) {
        // A file's permissions, or a directory's.
        lacking(
            held,
            CapabilitySet::DAC_OVERRIDE,
            "the pin is not for this user to read and write; CAP_DAC_OVERRIDE",
        )?
    } else {
        // Before Linux 5.19, every command of bpf(2) takes it.
        lacking(held, CapabilitySet::BPF, "CAP_BPF")?
    })
}

/// Whether this process may not look into others.
pub(crate) fn lacks_ptrace() -> bool {
    !effective().contains(CapabilitySet::SYS_PTRACE)
}

fn lacking(held: CapabilitySet, wanted: CapabilitySet, name: &str) -> Option<String> {
    (!held.contains(wanted)).then(|| format!("{name} is missing"))
}

/// What this process may do; everything if that cannot be told, so that nothing is said to be
/// missing.
fn effective() -> CapabilitySet {
    rustix::thread::capabilities(None).map_or(CapabilitySet::all(), |sets| sets.effective)
}
