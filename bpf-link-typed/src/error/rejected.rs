//! Conversions that were refused.

use std::fmt;

use bpf_link::{LinkKind, Target};

use super::Error;

/// A conversion that was refused, with the value that was to be converted.
#[derive(Debug)]
pub struct Rejected<T> {
    input: T,
    /// Elsewhere in memory, as it is rare, and larger than a link.
    error: Box<Error>,
}

impl<T> Rejected<T> {
    pub(crate) fn new(input: T, error: Error) -> Self {
        Self {
            input,
            error: Box::new(error),
        }
    }

    /// The link, which errors call by this name, is of another kind than was asked for.
    pub(crate) fn wrong_kind(
        input: T,
        link: Target,
        expected: Option<LinkKind>,
        found: LinkKind,
    ) -> Self {
        let error = Error::WrongKind {
            link,
            expected,
            found,
        };
        Self::new(input, error)
    }

    /// The same refusal, of what the value was made of.
    pub(crate) fn map<U>(self, back: impl FnOnce(T) -> U) -> Rejected<U> {
        Rejected {
            input: back(self.input),
            error: self.error,
        }
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
        (self.input, *self.error)
    }
}

impl<T> From<bpf_link::Rejected<T>> for Rejected<T> {
    fn from(rejected: bpf_link::Rejected<T>) -> Self {
        let (input, error) = rejected.into_parts();
        Self::new(input, error.into())
    }
}

impl<T> From<Rejected<T>> for Error {
    fn from(rejected: Rejected<T>) -> Self {
        *rejected.error
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
