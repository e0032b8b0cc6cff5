//! Measures several sides of one thing beside each other: `bpf-link`, the bare system calls, and
//! other libraries.
//!
//! The sides take turns within each sample, so that whatever else the machine does hits all of
//! them; a ratio is the median over all samples.

mod chart;
mod measure;
mod side;

pub use chart::Growth;
pub use measure::Measure;
pub use side::Side;
