//! What went wrong, in one line, with the privilege that would have helped.

use std::error::Error as StdError;

use bpf_link::{Command, Error};
use rustix::thread::CapabilitySet;

use crate::output::printable;

/// Says it on standard error.
pub(crate) fn print(error: &anyhow::Error) {
    eprintln!("bpf-links: {}", printable(&line(error)));
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
    let denied = match cause.downcast_ref::<bpf_link_typed::Error>() {
        Some(bpf_link_typed::Error::Link(error)) => error,
        _ => cause.downcast_ref::<Error>()?,
    };
    let Error::PermissionDenied(command) = denied else {
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
