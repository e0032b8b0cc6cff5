//! What went wrong, in one line, with the privilege that would have helped.

use std::collections::BTreeSet;
use std::error::Error as StdError;

use bpf_link::{Command, CommandError, Error, LinkId};
use rustix::thread::CapabilitySet;

use crate::output;

/// How a command ended that no error stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Done,
    /// Some links are missing, or were not changed; each was named.
    InPart,
}

/// What was refused, each once: most often to describe a link.
#[derive(Debug, Default)]
pub(crate) struct Refused(BTreeSet<String>);

impl Refused {
    /// Reports it on standard error, unless that was done already.
    pub(crate) fn add(&mut self, error: &anyhow::Error) {
        self.add_line(line(error));
    }

    /// The same in words.
    pub(crate) fn add_line(&mut self, line: String) {
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

/// Whether the walk itself failed, rather than one link of it.
pub(crate) fn ends_a_walk(error: &Error) -> bool {
    let command = error.command_error().map(CommandError::command);
    command == Some(Command::LinkGetNextId)
}

/// The link that the error is about.
pub(crate) fn link(error: &anyhow::Error) -> Option<LinkId> {
    error.chain().find_map(of_link)?.link()
}

/// The error of `bpf-link`, if it is one.
fn of_link<'a>(cause: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    match cause.downcast_ref::<bpf_link_typed::Error>() {
        Some(bpf_link_typed::Error::Link(error)) => Some(error),
        _ => cause.downcast_ref::<Error>(),
    }
}

/// Prints it on standard error.
pub(crate) fn print(error: &anyhow::Error) {
    output::complain(&line(error));
}

/// What went wrong, outermost first.
pub(crate) fn line(error: &anyhow::Error) -> String {
    line_of(error.as_ref())
}

/// The same for an error that is kept.
pub(crate) fn line_of(error: &(dyn StdError + 'static)) -> String {
    let causes = || anyhow::Chain::new(error);
    let words: Vec<_> = causes().map(ToString::to_string).collect();
    let words = words.join(": ");
    match causes().find_map(missing_privilege) {
        Some(missing) => format!("{words} ({missing})"),
        None => words,
    }
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
            "CAP_SYS_ADMIN is needed in the initial user namespace".to_owned()
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
            "this user may not read and write the pin; CAP_DAC_OVERRIDE",
        )?
    } else {
        // Before Linux 5.19, every command of bpf(2) needs it.
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

/// The effective capabilities; all of them if they cannot be read, so that none is reported
/// missing.
fn effective() -> CapabilitySet {
    rustix::thread::capabilities(None).map_or(CapabilitySet::all(), |sets| sets.effective)
}
