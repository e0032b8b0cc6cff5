//! How often a counter's program cannot run.

use std::fmt;

/// How often the program of a counter was to run, and how often the kernel lets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SampleRateProblem {
    /// A counter cannot have this period; with 0 the program never runs.
    Period {
        /// The period.
        period: u64,
        /// The longest that the kernel takes. The shortest is 1.
        limit: u64,
    },
    /// The program cannot run so many times in a second.
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
