//! What came of an operation, as a line of JSON.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

/// What came of an operation that was done once, with at most one fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Observation {
    /// The operation's name.
    pub(crate) operation: String,
    /// Which of its calls the fault was put into, counted from 1; or how many descriptors it was
    /// left.
    pub(crate) position: usize,
    /// Whether the fault was met before the operation had ended.
    pub(crate) was_hit: bool,
    /// The thread that did it, by which the log knows it.
    pub(crate) thread: i32,
    pub(crate) outcome: Outcome,
    /// What it comes to without a fault.
    pub(crate) otherwise: Outcome,
    /// What is not as it should be after it, in words: panics, left-over descriptors, a kernel that
    /// has it differently.
    pub(crate) wrong: Option<String>,
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// With an error of this number, if it has one, and these words.
    Refused(Option<i32>, String),
}

impl Outcome {
    /// Whether both are the same, but for the words.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Done, Self::Done) => true,
            (Self::Refused(one, _), Self::Refused(other, _)) => one == other,
            _ => false,
        }
    }

    /// The words of the error, and of its causes.
    pub(crate) fn words(&self) -> &str {
        match self {
            Self::Done => "",
            Self::Refused(_, words) => words,
        }
    }

    /// The error number, if it has one.
    pub(crate) fn errno(&self) -> Option<i32> {
        match self {
            Self::Done => None,
            Self::Refused(errno, _) => *errno,
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Done => json!("done"),
            Self::Refused(errno, words) => json!({ "errno": errno, "words": words }),
        }
    }

    fn from_json(value: &Value) -> Option<Self> {
        if value.as_str() == Some("done") {
            return Some(Self::Done);
        }
        let errno = match value.get("errno")? {
            Value::Null => None,
            errno => Some(i32::try_from(errno.as_i64()?).ok()?),
        };
        Some(Self::Refused(errno, value.get("words")?.as_str()?.into()))
    }
}

impl Observation {
    /// The line in which a driver says it.
    pub(crate) fn to_line(&self) -> String {
        json!({
            "operation": self.operation,
            "position": self.position,
            "was_hit": self.was_hit,
            "thread": self.thread,
            "outcome": self.outcome.to_json(),
            "otherwise": self.otherwise.to_json(),
            "wrong": self.wrong,
        })
        .to_string()
    }

    /// What a driver has said.
    pub(crate) fn from_line(line: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(line)?;
        let parse = || {
            Some(Self {
                operation: value.get("operation")?.as_str()?.to_owned(),
                position: value.get("position")?.as_u64()?.try_into().ok()?,
                was_hit: value.get("was_hit")?.as_bool()?,
                thread: value.get("thread")?.as_i64()?.try_into().ok()?,
                outcome: Outcome::from_json(value.get("outcome")?)?,
                otherwise: Outcome::from_json(value.get("otherwise")?)?,
                wrong: value.get("wrong")?.as_str().map(str::to_owned),
            })
        };
        parse().with_context(|| format!("not an observation: {line}"))
    }
}
