//! Periods and frequencies that a counter cannot have.

use std::fmt;

/// A period or frequency that is out of range, and the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SampleRateProblem {
    /// The period is out of range. With 0, the program would never run.
    Period {
        /// The period.
        period: u64,
        /// The longest that the kernel takes. The shortest is 1.
        limit: u64,
    },
    /// The frequency is out of range.
    Frequency {
        /// The frequency, in hertz.
        frequency: u64,
        /// The highest that the kernel takes (`kernel.perf_event_max_sample_rate`), in hertz;
        /// `None` if procfs does not tell. The lowest is 1.
        limit: Option<u64>,
    },
}

impl fmt::Display for SampleRateProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Period { period, limit } => write!(
                f,
                "a counter's period must be from 1 to {limit}, not {period}"
            ),
            Self::Frequency { frequency, limit } => {
                f.write_str("a counter's frequency must be ")?;
                match limit {
                    Some(limit) => write!(
                        f,
                        "from 1 to {limit} Hz (kernel.perf_event_max_sample_rate)"
                    )?,
                    None => f.write_str("at least 1 Hz")?,
                }
                write!(f, ", not {frequency} Hz")
            }
        }
    }
}
