//! What the kernel answers when it is asked whether it has a kind.

use std::io;

use crate::error::{Command, CommandError, Result, Target};
use crate::kind::LinkKind;

/// What is certain, and so a fact of the kernel.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    Yes,
    /// What the kernel refused, and the number that it answered.
    No(Command, i32),
    /// The kernel has no BPF JIT, and so refused to load the program with `ENOMEM`.
    NoJit,
}

/// What proves that a kind is missing, or why it could not be told.
pub(super) fn refusal(kind: LinkKind, command: Command, source: io::Error) -> CommandError {
    CommandError::new(command, Target::Probe(kind), source)
}

/// It is not told from this answer.
pub(super) fn untold<T>(kind: LinkKind, command: Command, source: io::Error) -> Result<T> {
    Err(refusal(kind, command, source).classify())
}
