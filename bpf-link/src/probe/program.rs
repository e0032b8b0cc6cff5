//! The programs that a kernel is asked with.

use std::os::fd::OwnedFd;

use super::answer::{Answer, untold};
use crate::error::{Command, Result};
use crate::kind::LinkKind;
use crate::sys::{self, ProgramUse};

/// Loads a program, or has the answer already: there is nothing else in such a program that a
/// kernel could not know.
pub(super) fn load(
    kind: LinkKind,
    program: &ProgramUse,
) -> Result<std::result::Result<OwnedFd, Answer>> {
    const LOAD: Command = Command::ProgLoad;
    match sys::load_probe(program) {
        Ok(program) => Ok(Ok(program)),
        Err(source) => match source.raw_os_error() {
            Some(errno @ (libc::EINVAL | libc::EOPNOTSUPP)) => Ok(Err(Answer::No(LOAD, errno))),
            _ => untold(kind, LOAD, source),
        },
    }
}
