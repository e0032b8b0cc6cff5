//! What the kernel means where it has no BPF JIT.

/// A kernel without a BPF JIT refuses programs that it can only call through compiled code as if it
/// had no memory.
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
