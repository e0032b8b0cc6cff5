//! An error number of the kernel's that C libraries do not have.

/// The kernel's own `ENOTSUPP`, which C libraries have no name and no words for, and which is not
/// their `ENOTSUP`.
#[derive(Debug, thiserror::Error)]
#[error(
    "the kernel does not support this (ENOTSUPP, os error {})",
    Self::ERRNO
)]
pub(super) struct NotSupported;

impl NotSupported {
    pub(super) const ERRNO: i32 = 524;
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::io;

    use crate::error::{Command, CommandError, Target};

    fn words_of(errno: i32) -> String {
        let source = io::Error::from_raw_os_error(errno);
        let error = CommandError::new(Command::LinkCreate, Target::Links, source);
        assert_eq!(error.errno(), Some(errno));
        error.source().expect("a source").to_string()
    }

    #[test]
    fn the_kernels_own_number_is_in_words() {
        assert_eq!(
            words_of(524),
            "the kernel does not support this (ENOTSUPP, os error 524)"
        );
        assert_eq!(
            words_of(libc::ENOENT),
            "No such file or directory (os error 2)"
        );
    }
}
