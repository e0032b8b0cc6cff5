//! The error for text that is not a known name.

/// The text is neither a number nor a name that this release knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no {what} is called {name:?}")]
pub struct UnknownName {
    what: &'static str,
    name: String,
}

impl UnknownName {
    pub(crate) fn new(what: &'static str, name: &str) -> Self {
        Self {
            what,
            name: name.to_owned(),
        }
    }

    /// The text.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}
