//! Functions that the kernel does not have.

use std::fmt;

/// Why a name or a pattern leads to no function of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KernelFunctionProblem {
    /// The kernel has no function of this name.
    NoSuchFunction {
        /// The name that was asked for.
        name: String,
        /// Functions that it has instead (`name.isra.0`), and names that are close.
        similar: Vec<String>,
    },
    /// The kernel cannot trace the function of this name, or hides its addresses and lists the
    /// function by another of its names.
    NotTraceable {
        /// The name that was asked for.
        name: String,
    },
    /// No function that can be traced matches the pattern.
    NothingMatches {
        /// The pattern.
        pattern: String,
    },
    /// The kernel has no system call of this name.
    NoSuchSyscall {
        /// The name that was asked for.
        name: String,
        /// Names of system calls that are close.
        similar: Vec<String>,
    },
}

impl fmt::Display for KernelFunctionProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchFunction { name, similar } => {
                write!(f, "the kernel has no function {name}{}", Similar(similar))
            }
            Self::NotTraceable { name } => write!(f, "the kernel cannot trace {name}"),
            Self::NothingMatches { pattern } => {
                write!(f, "no function of the kernel matches {pattern}")
            }
            Self::NoSuchSyscall { name, similar } => {
                write!(
                    f,
                    "the kernel has no system call {name}{}",
                    Similar(similar)
                )
            }
        }
    }
}

/// Names that are close to one that is not there.
pub(super) struct Similar<'a>(pub(super) &'a [String]);

impl fmt::Display for Similar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        write!(f, "; similar names: {}", self.0.join(", "))
    }
}
