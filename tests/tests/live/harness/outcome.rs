//! What became of a test.

use serde_json::{Value, json};

/// What became of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It ran to its end, and all was as it should be.
    Passed,
    /// It did not, and this is why.
    Failed(String),
    /// It did not run, as this was missing.
    Skipped(String),
}

impl Outcome {
    /// The outcome in a word.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) => "failed",
            Self::Skipped(_) => "skipped",
        }
    }

    /// Why it failed or was skipped.
    pub(super) fn detail(&self) -> &str {
        match self {
            Self::Passed => "",
            Self::Failed(why) | Self::Skipped(why) => why,
        }
    }

    /// The line in which a child says what became of its test.
    pub(super) fn to_line(&self) -> String {
        format!(
            "{}\n",
            json!({ "outcome": self.word(), "detail": self.detail() })
        )
    }

    /// What a child has said; nothing where it has not said anything, or not to the end.
    pub(super) fn from_line(line: &[u8]) -> Option<Self> {
        let line: Value = serde_json::from_slice(line.strip_suffix(b"\n")?).ok()?;
        let detail = line.get("detail")?.as_str()?.to_owned();
        match line.get("outcome")?.as_str()? {
            "passed" => Some(Self::Passed),
            "failed" => Some(Self::Failed(detail)),
            "skipped" => Some(Self::Skipped(detail)),
            _ => None,
        }
    }

    /// Adds a reason to fail, if there is one.
    pub(super) fn and(self, failure: Option<String>) -> Self {
        match (self, failure) {
            (outcome, None) => outcome,
            (Self::Failed(why), Some(failure)) => Self::Failed(format!("{why}\n{failure}")),
            (_, Some(failure)) => Self::Failed(failure),
        }
    }
}
