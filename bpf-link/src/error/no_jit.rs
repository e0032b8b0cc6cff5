//! The error of a kernel without a BPF JIT.

/// A kernel without a BPF JIT reports that it is out of memory when it is given a program that only
/// compiled code can call.
#[derive(Debug, thiserror::Error)]
#[error(
    "the kernel has no BPF JIT, which such programs need (ENOMEM, os error {})",
    Self::ERRNO
)]
pub(super) struct NoJit;

impl NoJit {
    pub(super) const ERRNO: i32 = libc::ENOMEM;
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use crate::error::{Command, CommandError, Target};
    use crate::kind::LinkKind;

    #[test]
    fn the_reason_is_in_words_and_the_number_is_kept() {
        let target = Target::Probe(LinkKind::Tracing);
        let error = CommandError::without_jit(Command::ProgLoad, target);
        assert_eq!(error.errno(), Some(libc::ENOMEM));
        assert_eq!(
            error.source().expect("a source").to_string(),
            "the kernel has no BPF JIT, which such programs need (ENOMEM, os error 12)"
        );
    }
}
