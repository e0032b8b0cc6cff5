//! Why a program was not loaded.

use std::fmt;

use crate::error::Error;

/// Why the kernel, or the caller's privileges, do not allow a program for an iterator.
#[derive(Debug)]
pub struct IterRefusal {
    pub(crate) error: Error,
    pub(crate) verifier_log: String,
}

impl IterRefusal {
    /// The command that was refused, and why.
    #[must_use]
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// What the kernel's verifier said about the program; empty if it said nothing.
    #[must_use]
    pub fn verifier_log(&self) -> &str {
        &self.verifier_log
    }

    /// Whether a later attempt may succeed: the process or the machine is out of descriptors or
    /// memory, or a signal interrupted the verifier.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        const TRANSIENT: [i32; 4] = [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::EAGAIN];
        let errno = self.error.errno();
        errno.is_some_and(|errno| TRANSIENT.contains(&errno))
    }
}

/// The verifier said nothing.
impl From<Error> for IterRefusal {
    fn from(error: Error) -> Self {
        Self {
            error,
            verifier_log: String::new(),
        }
    }
}

impl From<IterRefusal> for Error {
    fn from(refusal: IterRefusal) -> Self {
        refusal.error
    }
}

impl fmt::Display for IterRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}

impl std::error::Error for IterRefusal {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}
