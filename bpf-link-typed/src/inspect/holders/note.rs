//! How holders were looked for, and what could not be read.

use std::fmt;
use std::io;

use bpf_link::IterRefusal;

/// How [`Holders`](super::Holders) looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HolderMethod {
    /// By the kernel's iterator over the files of all threads. Needs Linux 5.8, `CAP_BPF` and
    /// `CAP_PERFMON`.
    Iterator,
    /// By reading `/proc`. Needs `CAP_SYS_PTRACE` for the processes of other users.
    Procfs,
}

/// Why the kernel's iterator is not used.
#[derive(Debug)]
#[non_exhaustive]
pub enum NoIterator {
    /// The program for it was not loaded.
    Refused(IterRefusal),
    /// It failed during the look.
    Failed(bpf_link::Error),
    /// The iterator reports process ids of the first PID namespace, but the caller is in another
    /// one, or it could not be found out which it is in, for this reason.
    PidNamespace(Option<io::Error>),
}

/// What a look could not read.
#[derive(Debug)]
#[non_exhaustive]
pub enum UnreadHolders {
    /// The descriptors of some processes.
    Processes {
        /// How many processes.
        count: usize,
        /// Why the first of them could not be read.
        first: io::Error,
    },
    /// `/proc`: nothing was read.
    Procfs(io::Error),
}

impl fmt::Display for NoIterator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => fmt::Display::fmt(refusal, f),
            Self::Failed(error) => fmt::Display::fmt(error, f),
            Self::PidNamespace(None) => f.write_str("this process is in a PID namespace"),
            Self::PidNamespace(Some(error)) => {
                write!(f, "cannot tell the PID namespace of this process: {error}")
            }
        }
    }
}

impl fmt::Display for UnreadHolders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Processes { count: 1, first } => {
                write!(f, "cannot read the descriptors of 1 process: {first}")
            }
            Self::Processes { count, first } => {
                write!(
                    f,
                    "cannot read the descriptors of {count} processes: {first}"
                )
            }
            Self::Procfs(error) => write!(f, "cannot read /proc: {error}"),
        }
    }
}
