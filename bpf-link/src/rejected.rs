//! Conversions that were refused.

use std::fmt;

use crate::error::Error;

/// A conversion that was refused, with the value that was to be converted.
#[derive(Debug)]
pub struct Rejected<T> {
    input: T,
    error: Error,
}

impl<T> Rejected<T> {
    pub(crate) fn new(input: T, error: Error) -> Self {
        Self { input, error }
    }

    /// Why it was refused.
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// The value that was to be converted.
    pub fn into_input(self) -> T {
        self.input
    }

    /// The value, and why it was refused.
    pub fn into_parts(self) -> (T, Error) {
        (self.input, self.error)
    }
}

impl<T> fmt::Display for Rejected<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}

impl<T: fmt::Debug> std::error::Error for Rejected<T> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

impl<T> From<Rejected<T>> for Error {
    fn from(rejected: Rejected<T>) -> Self {
        rejected.error
    }
}
