//! How links are looked at, and why not better.

use std::fmt;

use crate::error::Error;
use crate::iter_program::refusal::IterRefusal;

/// How a [`Snapshotter`](crate::Snapshotter) looks at links, from the one that tells most to the
/// one that every kernel has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SnapshotMethod {
    /// A program that reads the fields of each kind's structure as the kernel's own code does
    /// (`bpf_rdonly_cast`). Since Linux 6.2.
    TypedCast,
    /// A program that copies them (`bpf_probe_read_kernel`), which is slower, and which
    /// `lockdown=confidentiality` forbids. Since Linux 5.19.
    ProbeRead,
    /// A program that reads no more than ids, kinds and programs. Since Linux 5.19.
    IdsOnly,
    /// No program: each link is opened by its id and asked for its info, which gives ids, kinds and
    /// programs. Needs `CAP_SYS_ADMIN`.
    Walk,
}

/// A method that cannot be used here, and why.
#[derive(Debug)]
pub struct SnapshotRefusal {
    pub(super) method: SnapshotMethod,
    pub(super) refusal: IterRefusal,
}

impl SnapshotRefusal {
    /// Of what every program needs.
    pub(super) fn of_all(error: Error) -> Self {
        Self {
            method: SnapshotMethod::IdsOnly,
            refusal: error.into(),
        }
    }

    /// The method. Where [`IdsOnly`](SnapshotMethod::IdsOnly) is refused and nothing else, what was
    /// refused is something that every program needs.
    #[must_use]
    pub fn method(&self) -> SnapshotMethod {
        self.method
    }

    /// What was refused, and why.
    #[must_use]
    pub fn error(&self) -> &Error {
        self.refusal.error()
    }

    /// What the kernel's verifier said of the program; empty if it said nothing.
    #[must_use]
    pub fn verifier_log(&self) -> &str {
        self.refusal.verifier_log()
    }
}

impl fmt::Display for SnapshotMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TypedCast => "typed cast",
            Self::ProbeRead => "probe read",
            Self::IdsOnly => "ids only",
            Self::Walk => "walk",
        })
    }
}
