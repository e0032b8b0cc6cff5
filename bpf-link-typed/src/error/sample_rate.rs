//! Periods and frequencies that a counter cannot have.

use std::fmt;

use bpf_link::Target;

/// A period or frequency that is out of range, and the limit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SampleRateProblem {
    /// The period is out of range. With 0, the program would never run.
    Period {
        /// The counter.
        counter: Box<Target>,
        /// The period.
        period: u64,
        /// The longest that the kernel takes. The shortest is 1.
        limit: u64,
    },
    /// The frequency is out of range.
    Frequency {
        /// The counter.
        counter: Box<Target>,
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
            Self::Period {
                counter,
                period,
                limit,
            } => write!(
                f,
                "the period of {counter} must be from 1 to {limit}, not {period}"
            ),
            Self::Frequency {
                counter,
                frequency,
                limit,
            } => {
                write!(f, "the frequency of {counter} must be ")?;
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
