//! What went wrong, in words.

use std::fmt;

use super::Error;
use crate::kind::UpdateBy;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(error) => fmt::Display::fmt(error, f),
            Self::PermissionDenied(error) => {
                let (command, target) = (error.command(), error.target());
                write!(f, "{command} on {target} is not allowed")
            }
            Self::UnsupportedByKernel(error) => {
                let (command, target) = (error.command(), error.target());
                write!(f, "this kernel does not support {command} on {target}")
            }
            Self::UnsupportedByKind { kind, source } => {
                let (command, target) = (source.command(), source.target());
                write!(
                    f,
                    "{target} is of kind {kind}, which does not support {command}"
                )
            }
            Self::WrongObject {
                kind,
                needs,
                source,
            } => {
                let target = source.target();
                write!(f, "{target} is of kind {kind}: {}", instead(*needs))
            }
            Self::OldProgramMismatch { source, .. } => {
                let target = source.target();
                write!(f, "{target} does not have the expected program or map")
            }
            Self::MapOutOfReach {
                link,
                attached,
                source,
            } => {
                let or = match source.errno() {
                    Some(libc::EPERM) => ", or CAP_SYS_ADMIN",
                    _ => "",
                };
                write!(
                    f,
                    "map {attached} of {link} cannot be opened: the update needs a descriptor of \
                     that map{or}"
                )
            }
            Self::HookGone(error) => write!(f, "the hook of {} has gone", error.target()),
            Self::StaleRevision(error) => {
                let target = error.target();
                write!(
                    f,
                    "the programs of {target} have changed since the expected revision"
                )
            }
            Self::Vanished(error) => write!(f, "{} has vanished", error.target()),
            Self::Unsettled(error) => write!(f, "{} is still being attached", error.target()),
            Self::BufferTooShort(error) => {
                write!(f, "a buffer passed for {} is too short", error.target())
            }
            Self::NotALink(target) => write!(f, "{target} is not a bpf_link"),
            Self::NotAProgram(target) => write!(f, "{target} is not a BPF program"),
            Self::NotAMap(target) => write!(f, "{target} is not a BPF map"),
            Self::LockHeld { path, holder, .. } => {
                write!(f, "the directory of {} is locked by ", path.display())?;
                match holder {
                    Some(process) => write!(f, "process {process}"),
                    None => f.write_str("another process"),
                }
            }
            Self::Exposed { path, how } => write!(f, "{} {how}", path.display()),
            Self::NotOnBpffs { path, .. } => write!(f, "{} is not on a bpffs", path.display()),
            Self::OtherMount { from, to, .. } => {
                let (from, to) = (from.display(), to.display());
                write!(f, "{to} is not on the same mount as the pin at {from}")
            }
            Self::PathExists(error) => write!(f, "{} exists already", error.target()),
            Self::PathNotFound(error) => {
                let target = error.target();
                write!(f, "{target}, or the directory it is in, does not exist")
            }
            Self::PinName { path, .. } => {
                let path = path.display();
                write!(
                    f,
                    "the file name in {path} has a dot, which bpffs does not allow"
                )
            }
            Self::PathHasNul { path } => {
                // The byte is written as an escape.
                let path = path.as_os_str();
                write!(f, "{path:?} has a NUL byte in it")
            }
            Self::PinReplaced { path } => {
                write!(f, "{} is no longer the pin of this link", path.display())
            }
            Self::LengthMismatch {
                what,
                of,
                expected,
                found,
            } => write!(f, "{what} for {of}: expected {expected}, got {found}"),
            Self::InvalidRequest(request) => fmt::Display::fmt(request, f),
        }
    }
}

fn instead(needs: UpdateBy) -> &'static str {
    match needs {
        UpdateBy::Program => "update it with a program, not with a map",
        UpdateBy::Map => "update it with a map, not with a program",
    }
}
